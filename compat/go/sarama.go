package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// saramaClient drives sarama.
type saramaClient struct {
	bootstrap string
	plain     sarama.Client
	admin     sarama.ClusterAdmin
}

func newSarama(bootstrap string) (client, error) {
	plain, err := sarama.NewClient([]string{bootstrap}, saramaConfig())
	if err != nil {
		return nil, err
	}
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	return &saramaClient{bootstrap, plain, admin}, err
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.MaxWaitTime = 200 * time.Millisecond
	config.Metadata.AllowAutoTopicCreation = false
	return config
}

func (s *saramaClient) name() string    { return "sarama" }
func (s *saramaClient) address() string { return s.bootstrap }

// The library knows no cooperative rebalancing, its admin neither producers nor the quorum, and it speaks ListOffsets
// only in versions that know no largest timestamp.
func (s *saramaClient) cannot() map[string]bool {
	return map[string]bool{"cooperative": true, "max-timestamp": true, "describe-producers": true, "describe-quorum": true}
}

func (s *saramaClient) errorCode(err error) int {
	var code sarama.KError
	if errors.As(err, &code) {
		return int(code)
	}
	var ofTopic *sarama.TopicError
	if errors.As(err, &ofTopic) {
		return int(ofTopic.Err)
	}
	var ofPartition *sarama.TopicPartitionError
	if errors.As(err, &ofPartition) {
		return int(ofPartition.Err)
	}
	var several sarama.ProducerErrors
	if errors.As(err, &several) {
		return s.errorCode(several[0].Err)
	}
	return -1
}

func (s *saramaClient) fatal(err error) bool {
	return s.errorCode(err) > 0 && s.errorCode(err) != int(sarama.ErrConsumerCoordinatorNotAvailable)
}

func (s *saramaClient) send(topic string, messages []message, options produceOptions) ([]sent, error) {
	config := saramaConfig()
	config.Metadata.AllowAutoTopicCreation = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	switch options.acks {
	case "0":
		config.Producer.RequiredAcks = sarama.NoResponse
	case "1":
		config.Producer.RequiredAcks = sarama.WaitForLocal
	}
	config.Producer.Compression = map[string]sarama.CompressionCodec{
		"gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}[options.codec]
	if options.idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	if options.smallBatches {
		config.Producer.Flush.MaxMessages = 10
	}
	if !messages[0].keyed {
		config.Producer.Partitioner = sarama.NewManualPartitioner
	}
	producer, err := sarama.NewSyncProducer([]string{s.bootstrap}, config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var out []*sarama.ProducerMessage
	for _, one := range messages {
		next := &sarama.ProducerMessage{Topic: topic, Partition: one.partition, Timestamp: one.at}
		if one.key != nil {
			next.Key = sarama.ByteEncoder(one.key)
		}
		if one.value != nil {
			next.Value = sarama.ByteEncoder(one.value)
		}
		for _, found := range one.headers {
			next.Headers = append(next.Headers, sarama.RecordHeader{Key: []byte(found.key), Value: found.value})
		}
		out = append(out, next)
	}
	if err := producer.SendMessages(out); err != nil {
		return nil, err
	}
	var where []sent
	for _, one := range out {
		where = append(where, sent{one.Partition, one.Offset})
	}
	return where, nil
}

func (s *saramaClient) initTransactions(id string) error {
	config := saramaConfig()
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	config.Producer.Transaction.ID = id
	config.Producer.Transaction.Retry.Max = 2
	producer, err := sarama.NewSyncProducer([]string{s.bootstrap}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.BeginTxn()
}

// saramaConsumer collects what sarama pushes.
type saramaConsumer struct {
	lock    sync.Mutex
	records []record
	share   []int32
	gave    []int
	failure error
	session sarama.ConsumerGroupSession
	commits bool
	stop    func()
}

func (c *saramaConsumer) take(found *sarama.ConsumerMessage) {
	one := record{message{key: found.Key, value: found.Value, partition: found.Partition, at: found.Timestamp}, found.Offset}
	for _, h := range found.Headers {
		one.headers = append(one.headers, header{string(h.Key), h.Value})
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.records = append(c.records, one)
}

func (s *saramaClient) assign(topic string, partition int32, offset int64, fetchBytes int32) (consumer, error) {
	config := saramaConfig()
	if fetchBytes > 0 {
		config.Consumer.Fetch.Default = fetchBytes
	}
	made, err := sarama.NewConsumer([]string{s.bootstrap}, config)
	if err != nil {
		return nil, err
	}
	if offset == earliest {
		offset = sarama.OffsetOldest
	}
	from, err := made.ConsumePartition(topic, partition, offset)
	if err != nil {
		return nil, err
	}
	c := &saramaConsumer{stop: func() { from.Close(); made.Close() }}
	go func() {
		for found := range from.Messages() {
			c.take(found)
		}
	}()
	return c, nil
}

func (s *saramaClient) join(topic, group string, options groupOptions) (consumer, error) {
	config := saramaConfig()
	config.Consumer.Group.Session.Timeout = max(options.session, 3*time.Second)
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	config.Consumer.Group.InstanceId = options.instance
	config.Consumer.Offsets.AutoCommit.Enable = !options.noCommit
	config.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	made, err := sarama.NewConsumerGroup([]string{s.bootstrap}, group, config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	c := &saramaConsumer{commits: !options.noCommit}
	c.stop = func() { cancel(); <-done; made.Close() }
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := made.Consume(ctx, []string{topic}, c); err != nil {
				c.lock.Lock()
				c.failure = err
				c.lock.Unlock()
				return
			}
		}
	}()
	return c, nil
}

func (c *saramaConsumer) Setup(session sarama.ConsumerGroupSession) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.session = session
	c.share = nil
	for _, partitions := range session.Claims() {
		c.share = slices.Clone(partitions)
	}
	slices.Sort(c.share)
	return nil
}

func (c *saramaConsumer) Cleanup(sarama.ConsumerGroupSession) error {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.gave = append(c.gave, len(c.share))
	c.share = nil
	return nil
}

func (c *saramaConsumer) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case found, open := <-claim.Messages():
			if !open {
				return nil
			}
			c.take(found)
			if c.commits {
				session.MarkMessage(found, "")
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (c *saramaConsumer) poll() ([]record, error) {
	deadline := time.Now().Add(100 * time.Millisecond)
	for {
		c.lock.Lock()
		found, failure := c.records, c.failure
		c.records = nil
		c.lock.Unlock()
		if len(found) > 0 || failure != nil || time.Now().After(deadline) {
			return found, failure
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *saramaConsumer) assigned() []int32 {
	c.lock.Lock()
	defer c.lock.Unlock()
	return slices.Clone(c.share)
}

func (c *saramaConsumer) revoked() []int {
	c.lock.Lock()
	defer c.lock.Unlock()
	return slices.Clone(c.gave)
}

func (c *saramaConsumer) commit(topic string, offset int64, metadata string) error {
	c.session.MarkOffset(topic, 0, offset, metadata)
	c.session.Commit()
	return nil
}

func (c *saramaConsumer) close() { c.stop() }
