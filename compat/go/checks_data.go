package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"time"
)

// registerData adds the checks of producing and consuming.
func registerData(h *harness, c client) {
	add := func(name string, body func(client)) {
		if !c.cannot()[name] {
			h.check(name, func() { body(c) })
		}
	}
	add("produce-keys", keys)
	add("headers", headers)
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		add("compression-"+codec, func(c client) { compression(c, codec) })
	}
	for _, acks := range []string{"0", "1", "all"} {
		add("acks-"+acks, func(c client) { acknowledged(c, acks) })
	}
	add("idempotent", idempotent)
	add("large-message", large)
	add("tombstone", tombstone)
	add("auto-create", autoCreate)
	add("error-too-large", tooLarge)
	add("consume-beginning", beginning)
	add("consume-offset", fromOffset)
	add("consume-time", fromTime)
	add("commit-resume", resume)
	if os.Getenv("COMPAT_SIDE") == "ottla" {
		add("transactional-refused", transactional)
	}
}

func numbered(count int, partition int32) []message {
	messages := make([]message, count)
	for n := range messages {
		messages[n] = message{value: fmt.Appendf(nil, "v%d", n), partition: partition}
	}
	return messages
}

func pollFor(from consumer, count int) []record {
	var seen []record
	deadline := time.Now().Add(30 * time.Second)
	for len(seen) < count {
		yes(time.Now().Before(deadline), fmt.Sprintf("saw %d of %d records", len(seen), count))
		seen = append(seen, must(from.poll())...)
	}
	return seen
}

func read(c client, topic string, partition int32, count int, offset int64, fetchBytes int32) []record {
	from := must(c.assign(topic, partition, offset, fetchBytes))
	defer from.close()
	return pollFor(from, count)
}

func readAll(c client, topic string, partition int32, count int) []record {
	return read(c, topic, partition, count, earliest, 0)
}

func inOrder(records []record, count int) {
	for n := range count {
		same(fmt.Sprintf("v%d", n), string(records[n].value), "in order, once")
		same(int64(n), records[n].offset, "offset")
	}
}

func keys(c client) {
	topic := newTopic(c, "keys", 3, nil)
	var messages []message
	for _, one := range numbered(10, 0) {
		one.key, one.keyed = []byte("k"), true
		messages = append(messages, one)
	}
	where := must(c.send(topic, messages, produceOptions{}))
	keyed := where[0].partition
	for _, one := range where {
		same(keyed, one.partition, "partition of one key")
	}
	records := readAll(c, topic, keyed, 10)
	same("k", string(records[9].key), "key")
	inOrder(records, 10)
	other := (keyed + 1) % 3
	must(c.send(topic, []message{{value: []byte("bare"), partition: other}}, produceOptions{}))
	yes(readAll(c, topic, other, 1)[0].key == nil, "a record without key")
}

func headers(c client) {
	topic := newTopic(c, "headers", 1, nil)
	wanted := []header{{"a", []byte("1")}, {"b", nil}, {"a", []byte("2")}, {"c", []byte{}}}
	must(c.send(topic, []message{{value: []byte("body"), headers: wanted}}, produceOptions{}))
	found := readAll(c, topic, 0, 1)[0].headers
	same(4, len(found), "headers")
	for n, one := range wanted {
		same(one.key, found[n].key, "header's key")
		yes(bytes.Equal(one.value, found[n].value), "header's value")
	}
}

func compression(c client, codec string) {
	topic := newTopic(c, "codec-"+codec, 1, nil)
	padding := bytes.Repeat([]byte("compressible "), 20)
	var messages []message
	for n := range 500 {
		messages = append(messages, message{key: fmt.Appendf(nil, "k%d", n), value: fmt.Appendf(padding[:260:260], "%d", n)})
	}
	must(c.send(topic, messages, produceOptions{codec: codec}))
	records := readAll(c, topic, 0, 500)
	for n, one := range messages {
		yes(bytes.Equal(one.value, records[n].value), "value")
		same(int64(n), records[n].offset, "offset")
	}
}

func acknowledged(c client, acks string) {
	topic := newTopic(c, "acks-"+acks, 1, nil)
	where := must(c.send(topic, numbered(50, 0), produceOptions{acks: acks}))
	if acks != "0" {
		same(int64(49), where[49].offset, "offset in the answer")
	}
	inOrder(readAll(c, topic, 0, 50), 50)
}

func idempotent(c client) {
	topic := newTopic(c, "idempotent", 2, nil)
	messages := append(numbered(300, 0), numbered(300, 1)...)
	must(c.send(topic, messages, produceOptions{idempotent: true, smallBatches: true}))
	inOrder(readAll(c, topic, 0, 300), 300)
	inOrder(readAll(c, topic, 1, 300), 300)
}

func large(c client) {
	topic := newTopic(c, "large", 1, nil)
	value := make([]byte, 900_000)
	rand.Read(value)
	must(c.send(topic, []message{{value: value}}, produceOptions{}))
	must(c.send(topic, []message{{value: []byte("after")}}, produceOptions{}))
	records := read(c, topic, 0, 2, earliest, 10_000)
	yes(bytes.Equal(value, records[0].value), "the large value")
	same("after", string(records[1].value), "the record behind it")
}

func tombstone(c client) {
	topic := newTopic(c, "tombstone", 1, map[string]string{"cleanup.policy": "compact"})
	must(c.send(topic, []message{{key: []byte("k"), value: []byte("v")}, {key: []byte("k")}}, produceOptions{}))
	records := readAll(c, topic, 0, 2)
	yes(string(records[0].value) == "v" && records[1].value == nil, "a value, then none")
}

func autoCreate(c client) {
	topic := unique(c, "auto")
	must(c.send(topic, []message{{value: []byte("v")}}, produceOptions{}))
	same("v", string(readAll(c, topic, 0, 1)[0].value), "value")
}

func tooLarge(c client) {
	topic := newTopic(c, "too-large", 1, map[string]string{"max.message.bytes": "1000"})
	_, err := c.send(topic, []message{{value: make([]byte, 5000)}}, produceOptions{})
	fails(c, 10, err)
}

func beginning(c client) {
	topic := newTopic(c, "beginning", 1, nil)
	must(c.send(topic, numbered(100, 0), produceOptions{}))
	inOrder(readAll(c, topic, 0, 100), 100)
}

func fromOffset(c client) {
	topic := newTopic(c, "offset", 1, nil)
	must(c.send(topic, numbered(100, 0), produceOptions{}))
	first := read(c, topic, 0, 1, 42, 0)[0]
	same("v42", string(first.value), "value")
	same(int64(42), first.offset, "offset")
}

func stamped(c client, topic string, times ...time.Time) {
	for n, at := range times {
		one := message{value: fmt.Appendf(nil, "v%d", n), at: at}
		must(c.send(topic, []message{one}, produceOptions{}))
	}
}

func fromTime(c client) {
	topic := newTopic(c, "time", 1, nil)
	start := time.UnixMilli(time.Now().Add(-1000 * time.Second).UnixMilli())
	var times []time.Time
	for n := range 20 {
		times = append(times, start.Add(time.Duration(n)*time.Second))
	}
	stamped(c, topic, times...)
	offset := must(c.offsetAt(topic, start.Add(9500*time.Millisecond)))
	same(int64(10), offset, "first offset at or after the time")
	first := read(c, topic, 0, 1, offset, 0)[0]
	same("v10", string(first.value), "value")
	yes(first.at.Equal(times[10]), "timestamp")
}

func resume(c client) {
	topic := newTopic(c, "resume", 1, nil)
	group := unique(c, "resume")
	must(c.send(topic, numbered(10, 0), produceOptions{}))
	first := must(c.join(topic, group, groupOptions{noCommit: true}))
	pollFor(first, 10)
	try(first.commit(topic, 6, "note"))
	first.close()
	same(map[int32]int64{0: 6}, must(c.groupOffsets(group, topic)), "committed")
	second := must(c.join(topic, group, groupOptions{noCommit: true}))
	defer second.close()
	same("v6", string(pollFor(second, 1)[0].value), "resumed at")
}

func transactional(c client) {
	err := c.initTransactions(unique(c, "txn"))
	yes(err != nil, "a transactional producer was let in")
	yes(c.fatal(err), fmt.Sprintf("refused, but as if a retry helped: %v", err))
}
