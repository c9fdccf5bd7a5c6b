package orders

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestOrdersArriveInOrder(t *testing.T) {
	address := startNode(t, "num.partitions=1")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	client, err := kgo.NewClient(
		kgo.SeedBrokers(address),
		kgo.AllowAutoTopicCreation(),
		kgo.ConsumerGroup("billing"),
		kgo.ConsumeTopics("orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	for number := range 3 {
		order := kgo.KeySliceRecord([]byte("alice"), fmt.Appendf(nil, "order %d", number))
		order.Topic = "orders"
		if err := client.ProduceSync(ctx, order).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}

	var seen []string
	for len(seen) < 3 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(record *kgo.Record) { seen = append(seen, string(record.Value)) })
	}
	if fmt.Sprint(seen) != "[order 0 order 1 order 2]" {
		t.Fatalf("they arrived as %v", seen)
	}
}
