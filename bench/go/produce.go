// Producing: as much as goes, or one record a request.
package main

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// failure keeps the first error of many goroutines.
type failure struct{ atomic.Pointer[error] }

func (f *failure) note(err error) {
	if err != nil {
		f.CompareAndSwap(nil, &err)
	}
}

func (f *failure) err() error {
	if err := f.Load(); err != nil {
		return *err
	}
	return nil
}

// produce sends records in batches of up to 1 MB, round robin over the partitions, batch by batch.
func produce(ctx context.Context, o options) (figures, error) {
	return pour(ctx, o, 1000)
}

// spread gives each record another partition than the one before.
func spread(ctx context.Context, o options) (figures, error) {
	return pour(ctx, o, 1)
}

// pour has o.clients producers, each with its share of the records.
func pour(ctx context.Context, o options, run int) (figures, error) {
	each := o.records / o.clients
	values := o.values()
	var failed failure
	done := func(_ *kgo.Record, err error) { failed.note(err) }
	var producers []*kgo.Client
	for range o.clients {
		client, err := o.client(
			kgo.ProducerBatchMaxBytes(1_000_000),
			kgo.MaxBufferedRecords(max(50_000/o.clients, 2000)),
			kgo.ProducerLinger(5*time.Millisecond),
		)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		producers = append(producers, client)
	}
	var all sync.WaitGroup
	began := time.Now()
	for first, client := range producers {
		all.Go(func() {
			for i := range each {
				client.Produce(ctx, &kgo.Record{Partition: int32((first + i/run) % o.partitions), Value: values[i%len(values)]}, done)
			}
			failed.note(client.Flush(ctx))
		})
	}
	all.Wait()
	seconds := time.Since(began).Seconds()
	records := each * o.clients
	return figures{
		"seconds": seconds, "records": float64(records), "bytes": float64(records * o.recordBytes),
	}, failed.err()
}

// values are what records carry: noise; where it is compressed, noise that halves, and no value twice in a batch.
func (o options) values() [][]byte {
	count := 1
	if o.codec != "none" {
		count = 4096
	}
	values := make([][]byte, count)
	for i := range values {
		values[i] = make([]byte, o.recordBytes)
		rand.Read(values[i])
		if o.codec == "none" {
			continue
		}
		for at := range values[i] {
			values[i][at] = "0123456789abcdef"[values[i][at]&15]
		}
	}
	return values
}

// small has clients that each wait for one record's acknowledgement before they send the next.
func small(ctx context.Context, o options) (figures, error) {
	value := make([]byte, o.recordBytes)
	rand.Read(value)
	each := o.records / o.clients
	latencies := make([][]time.Duration, o.clients)
	var failed failure
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	for i := range o.clients {
		ready.Add(1)
		all.Go(func() {
			client, err := o.client()
			if err != nil {
				failed.note(err)
				ready.Done()
				return
			}
			defer client.Close()
			send := func() { failed.note(one(ctx, client, int32(i%o.partitions), value)) }
			send()
			ready.Done()
			<-start
			for range each {
				began := time.Now()
				send()
				latencies[i] = append(latencies[i], time.Since(began))
			}
		})
	}
	ready.Wait()
	// The caller reads the node's clock here: connecting is not part of the case.
	mark("ready")
	began := time.Now()
	close(start)
	all.Wait()
	found := figures{"seconds": time.Since(began).Seconds(), "records": float64(each * o.clients)}
	var together []time.Duration
	for _, some := range latencies {
		together = append(together, some...)
	}
	found.quantiles(together)
	return found, failed.err()
}

func one(ctx context.Context, client *kgo.Client, partition int32, value []byte) error {
	return client.ProduceSync(ctx, &kgo.Record{Partition: partition, Value: value}).FirstErr()
}

// beside sends small records at a fixed rate while other clients send 1 MB records as fast as they can. Latency counts
// from when a record was due, so that a stall is told in full.
func beside(ctx context.Context, o options) (figures, error) {
	stream := o
	if o.streams != "" {
		stream.topic = o.streams
	}
	// What a partition's first record costs is another case's.
	for _, first := range []options{o, stream} {
		client, err := first.client()
		if err != nil {
			return nil, err
		}
		for partition := range o.partitions {
			if err := one(ctx, client, int32(partition), make([]byte, o.recordBytes)); err != nil {
				return nil, err
			}
		}
		client.Close()
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var streams sync.WaitGroup
	var streamed atomic.Int64
	var failed failure
	value := make([]byte, 900_000)
	rand.Read(value)
	for i := range o.clients {
		client, err := stream.client(kgo.ProducerBatchMaxBytes(1_000_000))
		if err != nil {
			return nil, err
		}
		streams.Go(func() {
			defer client.Close()
			for running.Err() == nil {
				if err := one(running, client, int32(i%o.partitions), value); err == nil {
					streamed.Add(int64(len(value)))
				} else if running.Err() == nil {
					failed.note(err)
					return
				}
			}
		})
	}
	latencies, err := paced(ctx, o, make([]byte, o.recordBytes))
	stop()
	streams.Wait()
	failed.note(err)
	found := figures{"bytes": float64(streamed.Load()), "seconds": float64(o.seconds)}
	found.quantiles(latencies)
	return found, failed.err()
}

// paced sends records one a request over 16 clients, each when it is due.
func paced(ctx context.Context, o options, value []byte) ([]time.Duration, error) {
	const senders = 16
	var failed failure
	var all sync.WaitGroup
	latencies := make([][]time.Duration, senders)
	began := time.Now().Add(200 * time.Millisecond)
	period := time.Second * senders / time.Duration(o.rate)
	for i := range senders {
		client, err := o.client()
		if err != nil {
			return nil, err
		}
		failed.note(one(ctx, client, int32(i%o.partitions), value))
		all.Go(func() {
			defer client.Close()
			for n := range o.rate * o.seconds / senders {
				due := began.Add(time.Duration(n)*period + time.Duration(i)*period/senders)
				time.Sleep(time.Until(due))
				failed.note(one(ctx, client, int32(i%o.partitions), value))
				latencies[i] = append(latencies[i], time.Since(due))
			}
		})
	}
	all.Wait()
	var together []time.Duration
	for _, some := range latencies {
		together = append(together, some...)
	}
	return together, failed.err()
}
