// The load of `cargo xtask bench`: one phase of a case per call, by franz-go where a client is measured, by bare
// requests (raw.go) where a client's own waiting would hide the node's. The last line printed is the phase's figures,
// as JSON; the caller measures the node's process before and after.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A phase that takes longer hangs.
const phaseTimeMax = 10 * time.Minute

type options struct {
	broker      string
	topic       string
	partitions  int
	records     int
	recordBytes int
	clients     int
	acks        string
	rate        int
	seconds     int
	connections int
	streams     string
	codec       string
	tls         bool
	dir         string
}

type figures map[string]float64

type phase func(context.Context, options) (figures, error)

var phases = map[string]phase{
	"topic":   topic,
	"topics":  topics,
	"delete":  deleteTopic,
	"produce": produce,
	"fetch":   fetch,
	"small":   small,
	"spread":  spread,
	"latency": latency,
	"beside":  beside,
	"first":   first,
	"idle":    idle,
	"store":   store,
}

func main() {
	if len(os.Args) < 2 || phases[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load PHASE [options]")
		os.Exit(2)
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.broker, "broker", "", "HOST:PORT")
	flags.StringVar(&o.topic, "topic", "bench", "")
	flags.IntVar(&o.partitions, "partitions", 1, "")
	flags.IntVar(&o.records, "records", 0, "")
	flags.IntVar(&o.recordBytes, "record-bytes", 1024, "")
	flags.IntVar(&o.clients, "clients", 1, "")
	flags.StringVar(&o.acks, "acks", "1", "1, all, or idempotent (which is all)")
	flags.IntVar(&o.rate, "rate", 0, "records a second")
	flags.IntVar(&o.seconds, "seconds", 0, "")
	flags.IntVar(&o.connections, "connections", 0, "")
	flags.StringVar(&o.streams, "streams", "", "the topic of the streams, where it is another one")
	flags.StringVar(&o.codec, "codec", "none", "none, gzip, snappy, lz4 or zstd")
	flags.BoolVar(&o.tls, "tls", false, "the listener speaks TLS")
	flags.StringVar(&o.dir, "dir", "", "where a key store is written")
	flags.Parse(os.Args[2:])
	ctx, cancel := context.WithTimeout(context.Background(), phaseTimeMax)
	defer cancel()
	found, err := phases[os.Args[1]](ctx, o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(found)
}

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func (o options) client(more ...kgo.Opt) (*kgo.Client, error) {
	common := []kgo.Opt{
		kgo.SeedBrokers(o.broker),
		kgo.DefaultProduceTopic(o.topic),
		kgo.ProducerBatchCompression(codecs[o.codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}
	if o.tls {
		// What the node's certificate says is no part of any case.
		common = append(common, kgo.DialTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	}
	switch o.acks {
	case "1":
		common = append(common, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "all":
		common = append(common, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite())
	}
	return kgo.NewClient(append(common, more...)...)
}

// topic makes a topic and waits until every partition has a leader.
func topic(ctx context.Context, o options) (figures, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	made, err := admin.CreateTopic(ctx, int32(o.partitions), 1, nil, o.topic)
	if err == nil {
		err = made.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return nil, err
	}
	for {
		listed, err := admin.ListTopics(ctx, o.topic)
		if err != nil {
			return nil, err
		}
		led := 0
		for _, partition := range listed[o.topic].Partitions {
			if partition.Err == nil && partition.Leader >= 0 {
				led++
			}
		}
		if led == o.partitions {
			return figures{}, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// The most partitions of one topic, and of one request: Kafka takes 10,000 records, of which topics are some.
const (
	topicPartitionsMax   = 1000
	requestPartitionsMax = 9000
)

// topics makes so many partitions in topics of a thousand, and waits until the last of them takes a record.
func topics(ctx context.Context, o options) (figures, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	began := time.Now()
	var last string
	of := min(topicPartitionsMax, o.partitions)
	for made := 0; made < o.partitions; {
		var names []string
		for ; made < o.partitions && len(names) < requestPartitionsMax/of; made += of {
			last = fmt.Sprintf("%s-%d", o.topic, made/of)
			names = append(names, last)
		}
		answers, err := admin.CreateTopics(ctx, int32(of), 1, nil, names...)
		if err == nil {
			err = answers.Error()
		}
		if err != nil {
			return nil, err
		}
	}
	found, err := until(ctx, options{broker: o.broker, topic: last, partitions: of})
	if err != nil {
		return nil, err
	}
	return figures{"seconds": found["acknowledged"] - float64(began.UnixNano())/1e9}, nil
}

func deleteTopic(ctx context.Context, o options) (figures, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).DeleteTopic(ctx, o.topic)
	return figures{}, err
}

// quantiles adds p50, p99, p99.9 and the maximum, in milliseconds. Sorted whole: nothing is rounded into buckets.
func (f figures) quantiles(latencies []time.Duration) {
	if len(latencies) == 0 {
		return
	}
	slices.Sort(latencies)
	at := func(q float64) float64 {
		return float64(latencies[min(len(latencies)-1, int(q*float64(len(latencies))))]) / 1e6
	}
	f["p50_ms"], f["p99_ms"], f["p999_ms"], f["max_ms"] = at(0.5), at(0.99), at(0.999), at(1)
}
