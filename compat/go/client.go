package main

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// earliest is where a consumer starts that has no other place.
const earliest = int64(-2)

type message struct {
	key, value []byte
	partition  int32
	// keyed leaves the choice of the partition to the client.
	keyed   bool
	headers []header
	at      time.Time
}

type header struct {
	key   string
	value []byte
}

type record struct {
	message
	offset int64
}

type sent struct {
	partition int32
	offset    int64
}

type produceOptions struct {
	acks         string
	codec        string
	idempotent   bool
	smallBatches bool
}

type groupOptions struct {
	assignor string
	instance string
	session  time.Duration
	noCommit bool
}

type partition struct {
	replicas, isr int
	leader        int32
}

// consumer reads one partition from a place, or is a member of a group.
type consumer interface {
	// poll returns what came within a tenth of a second.
	poll() ([]record, error)
	// assigned is the member's share; revoked the sizes of what it gave up so far.
	assigned() []int32
	revoked() []int
	commit(topic string, offset int64, metadata string) error
	close()
}

// client is what a library has to offer so that the checks can drive it.
type client interface {
	name() string
	address() string
	// cannot names checks that the library has no words for: they stay out of the table.
	cannot() map[string]bool
	errorCode(err error) int

	send(topic string, messages []message, options produceOptions) ([]sent, error)
	// initTransactions wants to begin; fatal tells whether its refusal was for good.
	initTransactions(id string) error
	fatal(err error) bool
	assign(topic string, partition int32, offset int64, fetchBytes int32) (consumer, error)
	join(topic, group string, options groupOptions) (consumer, error)

	createTopic(name string, partitions int32, configs map[string]string) error
	listTopics() (map[string]bool, error)
	describeTopic(name string) ([]partition, error)
	deleteTopic(name string) error
	createPartitions(name string, count int32) error
	deleteRecords(name string, before int64) error
	listOffset(name string, partition int32, spec string) (int64, error)
	offsetAt(name string, at time.Time) (int64, error)
	configs(kind, name string) (map[string]string, error)
	// alterConfig sets a topic's key, or takes it away where the value is nil.
	alterConfig(topic, key string, value *string) error
	cluster() (id string, nodes []int32, controller int32, err error)
	listGroups() (map[string]bool, error)
	describeGroup(group string) (state string, members int, err error)
	deleteGroup(group string) error
	alterGroupOffset(group, topic string, partition int32, offset int64) error
	groupOffsets(group, topic string) (map[int32]int64, error)
	deleteGroupOffset(group, topic string, partition int32) error
	createACL(topic string) error
	countACLs(topic string) (int, error)
	deleteACL(topic string) (int, error)
	logBytes(topic string) (int64, error)
	lastSequences(topic string) ([]int32, error)
	quorum() (leader int32, voters []int32, highWatermark int64, err error)
	// setQuota sets a quota of a client id, or takes it away where the value is nil.
	setQuota(id, key string, value *float64) error
	quotas(id string) (map[string]float64, error)
	// setCredential makes a SCRAM-SHA-256 credential.
	setCredential(user string, iterations int32) error
	deleteCredential(user string) error
	credential(user string) (iterations int32, err error)
}

func unique(c client, what string) string {
	random := make([]byte, 4)
	rand.Read(random)
	return c.name() + "-" + what + "-" + hex.EncodeToString(random)
}

func newTopic(c client, what string, partitions int32, configs map[string]string) string {
	name := unique(c, what)
	try(c.createTopic(name, partitions, configs))
	// Some clients give up on a topic that the broker has not heard of yet.
	eventually("the broker knows the topic", func() bool {
		found, err := c.describeTopic(name)
		if err != nil {
			fails(c, 3, err)
		}
		return len(found) == int(partitions)
	})
	return name
}
