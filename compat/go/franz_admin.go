package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func commitDone(failure *error) func(*kgo.Client, *kmsg.OffsetCommitRequest, *kmsg.OffsetCommitResponse, error) {
	return func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
		*failure = err
		if err == nil {
			*failure = kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
		}
	}
}

func (f *franz) createTopic(name string, partitions int32, configs map[string]string) error {
	ctx, cancel := limited()
	defer cancel()
	wanted := map[string]*string{}
	for key, value := range configs {
		wanted[key] = &value
	}
	found, err := f.admin.CreateTopic(ctx, partitions, 1, wanted, name)
	return errors.Join(err, found.Err)
}

func (f *franz) listTopics() (map[string]bool, error) {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.ListTopics(ctx)
	names := map[string]bool{}
	for name, one := range found {
		// The library remembers what was asked for in vain.
		names[name] = one.Err == nil
	}
	return names, err
}

func (f *franz) describeTopic(name string) ([]partition, error) {
	ctx, cancel := limited()
	defer cancel()
	topics, err := f.admin.ListTopics(ctx, name)
	if err == nil {
		err = topics[name].Err
	}
	var found []partition
	for _, one := range topics[name].Partitions.Sorted() {
		found = append(found, partition{len(one.Replicas), len(one.ISR), one.Leader})
	}
	return found, err
}

func (f *franz) deleteTopic(name string) error {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.DeleteTopic(ctx, name)
	return errors.Join(err, found.Err)
}

func (f *franz) createPartitions(name string, count int32) error {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.UpdatePartitions(ctx, int(count), name)
	return errors.Join(err, found[name].Err)
}

func (f *franz) deleteRecords(name string, before int64) error {
	ctx, cancel := limited()
	defer cancel()
	wanted := kadm.Offsets{}
	wanted.AddOffset(name, 0, before, -1)
	found, err := f.admin.DeleteRecords(ctx, wanted)
	if err == nil {
		err = found.Error()
	}
	return err
}

func (f *franz) listOffset(name string, partition int32, spec string) (int64, error) {
	ask := map[string]func(context.Context, ...string) (kadm.ListedOffsets, error){
		"earliest": f.admin.ListStartOffsets, "latest": f.admin.ListEndOffsets, "max": f.admin.ListMaxTimestampOffsets,
	}[spec]
	ctx, cancel := limited()
	defer cancel()
	found, err := ask(ctx, name)
	if err != nil {
		return 0, err
	}
	one, _ := found.Lookup(name, partition)
	return one.Offset, one.Err
}

func (f *franz) offsetAt(name string, at time.Time) (int64, error) {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), name)
	if err != nil {
		return 0, err
	}
	one, _ := found.Lookup(name, 0)
	return one.Offset, one.Err
}

func (f *franz) configs(kind, name string) (map[string]string, error) {
	ctx, cancel := limited()
	defer cancel()
	var all kadm.ResourceConfigs
	var err error
	if kind == "topic" {
		all, err = f.admin.DescribeTopicConfigs(ctx, name)
	} else {
		all, err = f.admin.DescribeBrokerConfigs(ctx, 1)
	}
	found := map[string]string{}
	for _, resource := range all {
		err = errors.Join(err, resource.Err)
		for _, entry := range resource.Configs {
			found[entry.Key] = entry.MaybeValue()
		}
	}
	return found, err
}

func (f *franz) alterConfig(topic, key string, value *string) error {
	ctx, cancel := limited()
	defer cancel()
	change := kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: value}
	if value == nil {
		change.Op = kadm.DeleteConfig
	}
	found, err := f.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic)
	for _, one := range found {
		err = errors.Join(err, one.Err)
	}
	return err
}

func (f *franz) cluster() (string, []int32, int32, error) {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.BrokerMetadata(ctx)
	return found.Cluster, found.Brokers.NodeIDs(), found.Controller, err
}

func (f *franz) listGroups() (map[string]bool, error) {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.ListGroups(ctx)
	names := map[string]bool{}
	for _, name := range found.Groups() {
		names[name] = true
	}
	return names, err
}

func (f *franz) describeGroup(group string) (string, int, error) {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.DescribeGroups(ctx, group)
	return found[group].State, len(found[group].Members), errors.Join(err, found[group].Err)
}

func (f *franz) deleteGroup(group string) error {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.DeleteGroup(ctx, group)
	return errors.Join(err, found.Err)
}

func (f *franz) alterGroupOffset(group, topic string, partition int32, offset int64) error {
	ctx, cancel := limited()
	defer cancel()
	wanted := kadm.Offsets{}
	wanted.AddOffset(topic, partition, offset, -1)
	found, err := f.admin.CommitOffsets(ctx, group, wanted)
	return errors.Join(err, found.Error())
}

func (f *franz) groupOffsets(group, topic string) (map[int32]int64, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := f.admin.FetchOffsets(ctx, group)
	found := map[int32]int64{}
	for partition, one := range all[topic] {
		found[partition] = one.At
	}
	return found, errors.Join(err, all.Error())
}

func (f *franz) deleteGroupOffset(group, topic string, partition int32) error {
	ctx, cancel := limited()
	defer cancel()
	wanted := kadm.TopicsSet{}
	wanted.Add(topic, partition)
	found, err := f.admin.DeleteOffsets(ctx, group, wanted)
	return errors.Join(err, found.Error())
}

func aclOf(topic string) *kadm.ACLBuilder {
	return kadm.NewACLs().Topics(topic).ResourcePatternType(kadm.ACLPatternLiteral).
		Allow("User:alice").AllowHosts("*").Operations(kadm.OpRead)
}

func (f *franz) createACL(topic string) error {
	ctx, cancel := limited()
	defer cancel()
	found, err := f.admin.CreateACLs(ctx, aclOf(topic))
	for _, one := range found {
		err = errors.Join(err, one.Err)
	}
	return err
}

func (f *franz) countACLs(topic string) (int, error) {
	ctx, cancel := limited()
	defer cancel()
	results, err := f.admin.DescribeACLs(ctx, aclOf(topic))
	count := 0
	for _, one := range results {
		err = errors.Join(err, one.Err)
		count += len(one.Described)
	}
	return count, err
}

func (f *franz) deleteACL(topic string) (int, error) {
	ctx, cancel := limited()
	defer cancel()
	results, err := f.admin.DeleteACLs(ctx, aclOf(topic))
	count := 0
	for _, one := range results {
		err = errors.Join(err, one.Err)
		count += len(one.Deleted)
	}
	return count, err
}

func (f *franz) logBytes(topic string) (int64, error) {
	ctx, cancel := limited()
	defer cancel()
	wanted := kadm.TopicsSet{}
	wanted.Add(topic, 0)
	all, err := f.admin.DescribeAllLogDirs(ctx, wanted)
	total := int64(0)
	for _, dirs := range all {
		total += dirs.Size()
	}
	return total, err
}

func (f *franz) lastSequences(topic string) ([]int32, error) {
	ctx, cancel := limited()
	defer cancel()
	wanted := kadm.TopicsSet{}
	wanted.Add(topic, 0)
	all, err := f.admin.DescribeProducers(ctx, wanted)
	var found []int32
	all.EachProducer(func(one kadm.DescribedProducer) { found = append(found, one.LastSequence) })
	return found, err
}

func (f *franz) quorum() (int32, []int32, int64, error) {
	ctx, cancel := limited()
	defer cancel()
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, f.plain)
	if err == nil {
		err = kerr.ErrorForCode(response.ErrorCode)
	}
	if err != nil {
		return 0, nil, 0, err
	}
	found := response.Topics[0].Partitions[0]
	var voters []int32
	for _, one := range found.CurrentVoters {
		voters = append(voters, one.ReplicaID)
	}
	return found.LeaderID, voters, found.HighWatermark, kerr.ErrorForCode(found.ErrorCode)
}
