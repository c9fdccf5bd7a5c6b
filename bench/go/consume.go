// Consuming: all that is there, or each record as it comes.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mark tells the caller that what follows is what it measures, and waits until it has looked.
func mark(word string) {
	fmt.Println(word)
	os.Stdin.Read(make([]byte, 1))
}

func (o options) partitionsFrom(offset kgo.Offset) map[string]map[int32]kgo.Offset {
	from := map[int32]kgo.Offset{}
	for i := range o.partitions {
		from[int32(i)] = offset
	}
	return map[string]map[int32]kgo.Offset{o.topic: from}
}

// fetch has o.clients consumers, each of which reads so many records from the beginning.
func fetch(ctx context.Context, o options) (figures, error) {
	var failed failure
	var bytes atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range o.clients {
		all.Go(func() {
			read, err := fetchOnce(ctx, o)
			failed.note(err)
			bytes.Add(read)
		})
	}
	all.Wait()
	return figures{
		"seconds": time.Since(began).Seconds(),
		"records": float64(o.records * o.clients),
		"bytes":   float64(bytes.Load()),
	}, failed.err()
}

func fetchOnce(ctx context.Context, o options) (int64, error) {
	client, err := o.client(
		kgo.ConsumePartitions(o.partitionsFrom(kgo.NewOffset().AtStart())),
		kgo.FetchMaxBytes(50<<20), kgo.FetchMaxPartitionBytes(10<<20),
	)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	records, bytes := 0, 0
	for records < o.records {
		fetched := client.PollFetches(ctx)
		if err := fetched.Err0(); err != nil {
			return 0, err
		}
		fetched.EachRecord(func(record *kgo.Record) {
			records++
			bytes += len(record.Value)
		})
	}
	return int64(bytes), nil
}

// latency sends records at a fixed rate, whatever the node does, and consumes them: from when a record was due to when
// it was consumed. The first second is left out.
func latency(ctx context.Context, o options) (figures, error) {
	consumer, err := o.client(
		kgo.ConsumePartitions(o.partitionsFrom(kgo.NewOffset().AtEnd())), kgo.FetchMaxWait(500*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	producer, err := o.client(kgo.ProducerLinger(0), kgo.MaxBufferedRecords(1_000_000))
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	// Both sides know their partitions before it counts. A consumer that begins at the end says nothing of being there,
	// so records are sent until one comes.
	var failed failure
	warm, stopWarming := context.WithCancel(ctx)
	go func() {
		for warm.Err() == nil {
			one(warm, producer, 0, make([]byte, o.recordBytes))
			time.Sleep(10 * time.Millisecond)
		}
	}()
	consumer.PollFetches(ctx)
	stopWarming()
	mark("ready")
	total := o.rate * o.seconds
	began := time.Now().Add(100 * time.Millisecond)
	due := func(n int) time.Time { return began.Add(time.Duration(n) * time.Second / time.Duration(o.rate)) }
	late := make([]time.Duration, 0, total)
	go func() {
		for n := 0; n < total; {
			// What is due by now goes together: a sleep is never as short as a record's turn.
			for now := time.Now(); n < total && !due(n).After(now); n++ {
				value := make([]byte, o.recordBytes)
				binary.BigEndian.PutUint64(value, uint64(n)+1)
				late = append(late, now.Sub(due(n)))
				producer.Produce(ctx, &kgo.Record{Partition: int32(n % o.partitions), Value: value}, func(_ *kgo.Record, err error) {
					failed.note(err)
				})
			}
			time.Sleep(50 * time.Microsecond)
		}
	}()
	var latencies []time.Duration
	for seen := 0; seen < total; {
		fetched := consumer.PollFetches(ctx)
		if err := fetched.Err0(); err != nil {
			return nil, err
		}
		if err := failed.err(); err != nil {
			return nil, err
		}
		now := time.Now()
		fetched.EachRecord(func(record *kgo.Record) {
			n := int(binary.BigEndian.Uint64(record.Value)) - 1
			if n < 0 {
				return
			}
			seen++
			if n >= o.rate {
				latencies = append(latencies, now.Sub(due(n)))
			}
		})
	}
	found := figures{"seconds": time.Since(began).Seconds(), "records": float64(total)}
	found.quantiles(latencies)
	// All were consumed, so none is still to be sent.
	slices.Sort(late)
	found["late_ms"] = float64(late[len(late)/2]) / 1e6
	return found, failed.err()
}
