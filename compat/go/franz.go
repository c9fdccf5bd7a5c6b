package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz drives franz-go.
type franz struct {
	bootstrap string
	plain     *kgo.Client
	admin     *kadm.Client
}

func newFranz(bootstrap string) (client, error) {
	plain, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return nil, err
	}
	return &franz{bootstrap, plain, kadm.NewClient(plain)}, nil
}

func (f *franz) name() string            { return "franz-go" }
func (f *franz) address() string         { return f.bootstrap }
func (f *franz) cannot() map[string]bool { return nil }

func (f *franz) errorCode(err error) int {
	var found *kerr.Error
	if errors.As(err, &found) {
		return int(found.Code)
	}
	return -1
}

func (f *franz) fatal(err error) bool {
	var found *kerr.Error
	return errors.As(err, &found) && !found.Retriable
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

func (f *franz) send(topic string, messages []message, options produceOptions) ([]sent, error) {
	settings := []kgo.Opt{
		kgo.SeedBrokers(f.bootstrap),
		kgo.AllowAutoTopicCreation(),
		kgo.RecordPartitioner(partitionerOf(messages)),
		kgo.ProducerBatchCompression(map[string]kgo.CompressionCodec{
			"": kgo.NoCompression(), "none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
			"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
		}[options.codec]),
	}
	if messages[0].at.IsZero() {
		// The library counts this from a record's own timestamp.
		settings = append(settings, kgo.RecordDeliveryTimeout(30*time.Second))
	}
	switch options.acks {
	case "0":
		settings = append(settings, kgo.RequiredAcks(kgo.NoAck()))
	case "1":
		settings = append(settings, kgo.RequiredAcks(kgo.LeaderAck()))
	}
	if !options.idempotent {
		settings = append(settings, kgo.DisableIdempotentWrite())
	}
	if options.smallBatches {
		settings = append(settings, kgo.ProducerBatchMaxBytes(600), kgo.ProducerLinger(0))
	}
	producer, err := kgo.NewClient(settings...)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var records []*kgo.Record
	for _, one := range messages {
		out := &kgo.Record{Topic: topic, Key: one.key, Value: one.value, Partition: one.partition, Timestamp: one.at}
		for _, found := range one.headers {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: found.key, Value: found.value})
		}
		records = append(records, out)
	}
	ctx, cancel := limited()
	defer cancel()
	results := producer.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		return nil, err
	}
	var where []sent
	for _, one := range records {
		where = append(where, sent{one.Partition, one.Offset})
	}
	return where, nil
}

func partitionerOf(messages []message) kgo.Partitioner {
	if messages[0].keyed {
		return kgo.StickyKeyPartitioner(nil)
	}
	return kgo.ManualPartitioner()
}

func (f *franz) initTransactions(id string) error {
	producer, err := kgo.NewClient(kgo.SeedBrokers(f.bootstrap), kgo.TransactionalID(id),
		kgo.RecordDeliveryTimeout(20*time.Second), kgo.RetryTimeout(20*time.Second))
	if err != nil {
		return err
	}
	defer producer.Close()
	ctx, cancel := limited()
	defer cancel()
	_, _, err = producer.ProducerID(ctx)
	return err
}

type franzConsumer struct {
	client *kgo.Client
	member bool
	lock   sync.Mutex
	share  []int32
	gave   []int
}

func (f *franz) assign(topic string, partition int32, offset int64, fetchBytes int32) (consumer, error) {
	place := kgo.NewOffset().At(offset)
	if offset == earliest {
		place = kgo.NewOffset().AtStart()
	}
	settings := []kgo.Opt{
		kgo.SeedBrokers(f.bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: place}}),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}
	if fetchBytes > 0 {
		settings = append(settings, kgo.FetchMaxPartitionBytes(fetchBytes))
	}
	made, err := kgo.NewClient(settings...)
	return &franzConsumer{client: made}, err
}

func (f *franz) join(topic, group string, options groupOptions) (consumer, error) {
	found := &franzConsumer{member: true}
	balancer := kgo.RangeBalancer()
	if options.assignor == "cooperative" {
		balancer = kgo.CooperativeStickyBalancer()
	}
	settings := []kgo.Opt{
		kgo.SeedBrokers(f.bootstrap),
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(200 * time.Millisecond),
		kgo.Balancers(balancer),
		kgo.HeartbeatInterval(300 * time.Millisecond),
		kgo.SessionTimeout(max(options.session, 3*time.Second)),
		kgo.AutoCommitInterval(100 * time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) {
			found.lock.Lock()
			defer found.lock.Unlock()
			found.share = append(found.share, added[topic]...)
			slices.Sort(found.share)
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { found.lose(gone[topic]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { found.lose(gone[topic]) }),
	}
	if options.noCommit {
		settings = append(settings, kgo.DisableAutoCommit())
	}
	if options.instance != "" {
		settings = append(settings, kgo.InstanceID(options.instance))
	}
	made, err := kgo.NewClient(settings...)
	found.client = made
	return found, err
}

func (c *franzConsumer) lose(gone []int32) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.share = slices.DeleteFunc(c.share, func(one int32) bool { return slices.Contains(gone, one) })
	if len(gone) > 0 {
		c.gave = append(c.gave, len(gone))
	}
}

func (c *franzConsumer) poll() ([]record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	fetches := c.client.PollFetches(ctx)
	for _, found := range fetches.Errors() {
		if !errors.Is(found.Err, context.DeadlineExceeded) {
			return nil, found.Err
		}
	}
	var records []record
	fetches.EachRecord(func(one *kgo.Record) {
		found := record{message{key: one.Key, value: one.Value, partition: one.Partition, at: one.Timestamp}, one.Offset}
		for _, h := range one.Headers {
			found.headers = append(found.headers, header{h.Key, h.Value})
		}
		records = append(records, found)
	})
	return records, nil
}

func (c *franzConsumer) assigned() []int32 {
	c.lock.Lock()
	defer c.lock.Unlock()
	return slices.Clone(c.share)
}

func (c *franzConsumer) revoked() []int {
	c.lock.Lock()
	defer c.lock.Unlock()
	return slices.Clone(c.gave)
}

func (c *franzConsumer) commit(topic string, offset int64, _ string) error {
	ctx, cancel := limited()
	defer cancel()
	var failure error
	wanted := map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: offset}}}
	c.client.CommitOffsetsSync(ctx, wanted, commitDone(&failure))
	return failure
}

func (c *franzConsumer) close() { c.client.Close() }
