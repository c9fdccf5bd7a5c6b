// Requests without a client, for what a client's own retries and refreshes would blur: a node's first answers, and
// connections that do nothing.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type raw struct {
	net.Conn
	formatter *kmsg.RequestFormatter
}

func connect(address string) (*raw, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return nil, err
	}
	return &raw{conn, kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench"))}, nil
}

// ask sends a request of a version that has flexible headers only if the request says so, and reads its answer.
func (c *raw) ask(request kmsg.Request, response kmsg.Response) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(c.formatter.AppendRequest(nil, request, 1)); err != nil {
		return err
	}
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	header := 4
	// ApiVersions' answer has the oldest header whatever its version.
	if response.IsFlexible() && response.Key() != (&kmsg.ApiVersionsRequest{}).Key() {
		header++
	}
	response.SetVersion(request.GetVersion())
	return response.ReadFrom(body[header:])
}

func (c *raw) versions() error {
	request := kmsg.NewPtrApiVersionsRequest()
	request.SetVersion(0)
	response := kmsg.NewPtrApiVersionsResponse()
	response.SetVersion(0)
	if err := c.ask(request, response); err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}

// batch is one record of 100 bytes.
func batch() []byte {
	record := kmsg.NewRecord()
	record.Value = make([]byte, 100)
	// The length counts what follows itself: seven fields of one byte, one of two, and the value.
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	record.Length = int32(len(record.AppendTo(nil)) - 2)
	now := time.Now().UnixMilli()
	b := kmsg.NewRecordBatch()
	b.Magic, b.NumRecords, b.FirstTimestamp, b.MaxTimestamp = 2, 1, now, now
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = -1, -1, -1
	b.Records = record.AppendTo(nil)
	bytes := b.AppendTo(nil)
	binary.BigEndian.PutUint32(bytes[8:], uint32(len(bytes)-12))
	binary.BigEndian.PutUint32(bytes[17:], crc32.Checksum(bytes[21:], crc32.MakeTable(crc32.Castagnoli)))
	return bytes
}

func (c *raw) produce(topic string, partition int32) error {
	request := kmsg.NewPtrProduceRequest()
	request.SetVersion(9)
	request.Acks, request.TimeoutMillis = -1, 5000
	data := kmsg.NewProduceRequestTopicPartition()
	data.Partition, data.Records = partition, batch()
	into := kmsg.NewProduceRequestTopic()
	into.Topic, into.Partitions = topic, []kmsg.ProduceRequestTopicPartition{data}
	request.Topics = []kmsg.ProduceRequestTopic{into}
	response := kmsg.NewPtrProduceResponse()
	response.SetVersion(9)
	if err := c.ask(request, response); err != nil {
		return err
	}
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return errors.New("a produce answer without its partition")
	}
	return kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
}

func (c *raw) create(topic string) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.SetVersion(5)
	request.TimeoutMillis = 5000
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, 1, 1
	request.Topics = []kmsg.CreateTopicsRequestTopic{wanted}
	response := kmsg.NewPtrCreateTopicsResponse()
	response.SetVersion(5)
	if err := c.ask(request, response); err != nil {
		return err
	}
	return kerr.ErrorForCode(response.Topics[0].ErrorCode)
}

// first asks from before the node is started until it answers, and until a record is acknowledged, in a topic that is
// made if it is not there. The caller starts the node once it has read "ready"; times are of the wall clock, in seconds.
func first(ctx context.Context, o options) (figures, error) {
	fmt.Println("ready")
	return until(ctx, o)
}

func until(ctx context.Context, o options) (figures, error) {
	seconds := func() float64 { return float64(time.Now().UnixNano()) / 1e9 }
	found := figures{}
	var last error
	for ctx.Err() == nil {
		last = func() error {
			c, err := connect(o.broker)
			if err != nil {
				return err
			}
			defer c.Close()
			if err := c.versions(); err != nil {
				return err
			}
			if found["answered"] == 0 {
				found["answered"] = seconds()
			}
			for ctx.Err() == nil {
				err := c.produce(o.topic, int32(o.partitions-1))
				if err == nil {
					found["acknowledged"] = seconds()
					return nil
				}
				if !kerr.IsRetriable(err) {
					return err
				}
				if errors.Is(err, kerr.UnknownTopicOrPartition) && o.partitions == 1 {
					if err := c.create(o.topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) && !kerr.IsRetriable(err) {
						return err
					}
				}
				last = err
				time.Sleep(time.Millisecond)
			}
			return ctx.Err()
		}()
		if last == nil {
			return found, nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil, fmt.Errorf("no acknowledgement: %w", last)
}

// idle holds connections that have asked once and then do nothing.
func idle(_ context.Context, o options) (figures, error) {
	var held []*raw
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for range o.connections {
		c, err := connect(o.broker)
		if err == nil {
			err = c.versions()
		}
		if err != nil {
			return nil, fmt.Errorf("after %d connections: %w", len(held), err)
		}
		held = append(held, c)
	}
	mark("ready")
	return figures{"connections": float64(len(held))}, nil
}
