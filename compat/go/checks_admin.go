package main

import (
	"fmt"
	"time"
)

// registerAdmin adds what an admin client asks.
func registerAdmin(h *harness, c client) {
	for _, one := range []struct {
		name string
		body func(client)
	}{
		{"create-topic", createTopic},
		{"describe-topics", describeTopics},
		{"delete-topic", deleteTopic},
		{"create-partitions", createPartitions},
		{"delete-records", deleteRecords},
		{"list-offsets", listOffsets},
		{"describe-configs", describeConfigs},
		{"alter-configs", alterConfigs},
		{"describe-cluster", describeCluster},
		{"groups-admin", groups},
		{"group-offsets", groupOffsets},
		{"acls", acls},
		{"log-dirs", logDirs},
		{"describe-producers", producers},
		{"describe-quorum", quorum},
		{"error-unknown-topic", unknownTopic},
		{"error-invalid-topic", invalidTopic},
	} {
		if !c.cannot()[one.name] {
			h.check(one.name, func() { one.body(c) })
		}
	}
}

func createTopic(c client) {
	name := unique(c, "create")
	try(c.createTopic(name, 3, map[string]string{"retention.ms": "123456"}))
	eventually("listed", func() bool { return must(c.listTopics())[name] })
	same("123456", must(c.configs("topic", name))["retention.ms"], "its config")
	fails(c, 36, c.createTopic(name, 3, nil))
}

func describeTopics(c client) {
	name := newTopic(c, "describe", 3, nil)
	eventually("listed", func() bool { return must(c.listTopics())[name] })
	found := must(c.describeTopic(name))
	same(3, len(found), "partitions")
	for _, one := range found {
		yes(one.replicas == 1 && one.isr == 1 && one.leader >= 0, fmt.Sprintf("replicas: %v", found))
	}
}

func deleteTopic(c client) {
	name := newTopic(c, "delete", 1, nil)
	must(c.send(name, numbered(1, 0), produceOptions{}))
	try(c.deleteTopic(name))
	eventually("gone", func() bool { return !must(c.listTopics())[name] })
	fails(c, 3, c.deleteTopic(name))
}

func createPartitions(c client) {
	name := newTopic(c, "grow", 1, nil)
	try(c.createPartitions(name, 4))
	eventually("four partitions", func() bool { return len(must(c.describeTopic(name))) == 4 })
	must(c.send(name, numbered(1, 3), produceOptions{}))
	same("v0", string(readAll(c, name, 3, 1)[0].value), "a record in the new partition")
	fails(c, 37, c.createPartitions(name, 2))
}

func deleteRecords(c client) {
	name := newTopic(c, "trim", 1, nil)
	must(c.send(name, numbered(10, 0), produceOptions{}))
	try(c.deleteRecords(name, 4))
	same(int64(4), must(c.listOffset(name, 0, "earliest")), "earliest")
	same(int64(4), readAll(c, name, 0, 1)[0].offset, "first offset left")
}

func listOffsets(c client) {
	name := newTopic(c, "offsets", 1, nil)
	base := time.UnixMilli(time.Now().UnixMilli() - 500_000)
	stamped(c, name, base, base.Add(5*time.Second), base.Add(time.Second))
	same(int64(0), must(c.listOffset(name, 0, "earliest")), "earliest")
	same(int64(3), must(c.listOffset(name, 0, "latest")), "latest")
	if !c.cannot()["max-timestamp"] {
		same(int64(1), must(c.listOffset(name, 0, "max")), "largest timestamp")
	}
	same(int64(1), must(c.offsetAt(name, base.Add(2*time.Second))), "by time")
}

func describeConfigs(c client) {
	name := newTopic(c, "configs", 1, map[string]string{"retention.ms": "777"})
	found := must(c.configs("topic", name))
	same("777", found["retention.ms"], "a topic's own setting")
	same("1073741824", found["segment.bytes"], "a default")
	_, nodes, _, err := c.cluster()
	try(err)
	same("8", must(c.configs("broker", fmt.Sprint(nodes[0])))["offsets.topic.num.partitions"], "a broker's setting")
}

func alterConfigs(c client) {
	name := newTopic(c, "alter", 1, nil)
	value, bad := "5000", "many"
	retention := func() string { return must(c.configs("topic", name))["retention.ms"] }
	try(c.alterConfig(name, "retention.ms", &value))
	eventually("set", func() bool { return retention() == "5000" })
	try(c.alterConfig(name, "retention.ms", nil))
	eventually("at its default", func() bool { return retention() == "604800000" })
	fails(c, 40, c.alterConfig(name, "retention.ms", &bad))
}

func describeCluster(c client) {
	id, nodes, controller, err := c.cluster()
	try(err)
	yes(id == "" || len(id) == 22, "cluster id")
	same([]int32{controller}, nodes, "nodes")
}

func groups(c client) {
	topic := newTopic(c, "groups", 1, nil)
	group := unique(c, "groups")
	must(c.send(topic, numbered(1, 0), produceOptions{}))
	one := must(c.join(topic, group, groupOptions{}))
	pollFor(one, 1)
	yes(must(c.listGroups())[group], "listed")
	state, members, err := c.describeGroup(group)
	try(err)
	same("Stable 1", fmt.Sprint(state, " ", members), "state and members")
	fails(c, 68, c.deleteGroup(group))
	one.close()
	eventually("empty", func() bool {
		state, _, err := c.describeGroup(group)
		return err == nil && state == "Empty"
	})
	try(c.deleteGroup(group))
	yes(!must(c.listGroups())[group], "gone")
	fails(c, 69, c.deleteGroup(group))
}

func groupOffsets(c client) {
	topic := newTopic(c, "group-offsets", 2, nil)
	group := unique(c, "group-offsets")
	try(c.alterGroupOffset(group, topic, 0, 5))
	try(c.alterGroupOffset(group, topic, 1, 7))
	same(map[int32]int64{0: 5, 1: 7}, must(c.groupOffsets(group, topic)), "offsets")
	try(c.deleteGroupOffset(group, topic, 1))
	same(map[int32]int64{0: 5}, must(c.groupOffsets(group, topic)), "left after deleting one")
}

func acls(c client) {
	topic := unique(c, "acls")
	try(c.createACL(topic))
	eventually("described", func() bool { return must(c.countACLs(topic)) == 1 })
	same(1, must(c.deleteACL(topic)), "deleted")
	eventually("gone", func() bool { return must(c.countACLs(topic)) == 0 })
}

func logDirs(c client) {
	topic := newTopic(c, "log-dirs", 1, nil)
	must(c.send(topic, numbered(10, 0), produceOptions{}))
	yes(must(c.logBytes(topic)) > 0, "bytes of the partition")
}

func producers(c client) {
	topic := newTopic(c, "producers", 1, nil)
	must(c.send(topic, numbered(10, 0), produceOptions{idempotent: true}))
	same([]int32{9}, must(c.lastSequences(topic)), "last sequences")
}

func quorum(c client) {
	leader, voters, highWatermark, err := c.quorum()
	try(err)
	same([]int32{leader}, voters, "voters")
	yes(highWatermark > 0, "high watermark")
}

func unknownTopic(c client) {
	name := unique(c, "absent")
	_, err := c.describeTopic(name)
	fails(c, 3, err)
	yes(!must(c.listTopics())[name], "asking did not create it")
}

func invalidTopic(c client) {
	fails(c, 17, c.createTopic("not/valid", 1, nil))
}
