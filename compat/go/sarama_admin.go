package main

import (
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

func (s *saramaClient) createTopic(name string, partitions int32, configs map[string]string) error {
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
	for key, value := range configs {
		detail.ConfigEntries[key] = &value
	}
	return s.admin.CreateTopic(name, detail, false)
}

func (s *saramaClient) listTopics() (map[string]bool, error) {
	found, err := s.admin.ListTopics()
	names := map[string]bool{}
	for name := range found {
		names[name] = true
	}
	return names, err
}

func (s *saramaClient) describeTopic(name string) ([]partition, error) {
	topics, err := s.admin.DescribeTopics([]string{name})
	if err != nil {
		return nil, err
	}
	if topics[0].Err != sarama.ErrNoError {
		return nil, topics[0].Err
	}
	var found []partition
	for _, one := range topics[0].Partitions {
		found = append(found, partition{len(one.Replicas), len(one.Isr), one.Leader})
	}
	return found, nil
}

func (s *saramaClient) deleteTopic(name string) error { return s.admin.DeleteTopic(name) }

func (s *saramaClient) createPartitions(name string, count int32) error {
	return s.admin.CreatePartitions(name, count, nil, false)
}

func (s *saramaClient) deleteRecords(name string, before int64) error {
	return s.admin.DeleteRecords(name, map[int32]int64{0: before})
}

func (s *saramaClient) listOffset(name string, partition int32, spec string) (int64, error) {
	return s.offset(name, partition, map[string]int64{"earliest": -2, "latest": -1, "max": -3}[spec])
}

func (s *saramaClient) offsetAt(name string, at time.Time) (int64, error) {
	return s.offset(name, 0, at.UnixMilli())
}

func (s *saramaClient) offset(name string, partition int32, wanted int64) (int64, error) {
	found, err := s.admin.ListOffsets(map[string]map[int32]int64{name: {partition: wanted}}, nil)
	if err != nil {
		return 0, err
	}
	one := found[name][partition]
	if one.Err == sarama.ErrNoError {
		one.Err = nil
	}
	return one.Offset, one.Err
}

func (s *saramaClient) configs(kind, name string) (map[string]string, error) {
	resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: name}
	if kind == "broker" {
		resource.Type = sarama.BrokerResource
	}
	entries, err := s.admin.DescribeConfig(resource)
	found := map[string]string{}
	for _, entry := range entries {
		found[entry.Name] = entry.Value
	}
	return found, err
}

func (s *saramaClient) alterConfig(topic, key string, value *string) error {
	change := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: value}
	if value == nil {
		change.Operation = sarama.IncrementalAlterConfigsOperationDelete
	}
	return s.admin.IncrementalAlterConfig(sarama.TopicResource, topic,
		map[string]sarama.IncrementalAlterConfigsEntry{key: change}, false)
}

func (s *saramaClient) cluster() (string, []int32, int32, error) {
	brokers, controller, err := s.admin.DescribeCluster()
	var nodes []int32
	for _, one := range brokers {
		nodes = append(nodes, one.ID())
	}
	return "", nodes, controller, err
}

func (s *saramaClient) listGroups() (map[string]bool, error) {
	found, err := s.admin.ListConsumerGroups()
	names := map[string]bool{}
	for name := range found {
		names[name] = true
	}
	return names, err
}

func (s *saramaClient) describeGroup(group string) (string, int, error) {
	found, err := s.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return "", 0, err
	}
	if found[0].Err != sarama.ErrNoError {
		return "", 0, found[0].Err
	}
	return found[0].State, len(found[0].Members), nil
}

func (s *saramaClient) deleteGroup(group string) error { return s.admin.DeleteConsumerGroup(group) }

func (s *saramaClient) alterGroupOffset(group, topic string, partition int32, offset int64) error {
	wanted := map[string]map[int32]sarama.OffsetAndMetadata{topic: {partition: {Offset: offset, LeaderEpoch: -1}}}
	found, err := s.admin.AlterConsumerGroupOffsets(group, wanted, nil)
	if err == nil && found.Errors[topic][partition] != sarama.ErrNoError {
		err = found.Errors[topic][partition]
	}
	return err
}

func (s *saramaClient) groupOffsets(group, topic string) (map[int32]int64, error) {
	all, err := s.admin.ListConsumerGroupOffsets(group, nil)
	found := map[int32]int64{}
	if err == nil {
		for partition, one := range all.Blocks[topic] {
			found[partition] = one.Offset
		}
	}
	return found, err
}

func (s *saramaClient) deleteGroupOffset(group, topic string, partition int32) error {
	return s.admin.DeleteConsumerGroupOffset(group, topic, partition)
}

func (s *saramaClient) createACL(topic string) error {
	return s.admin.CreateACL(
		sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: topic, ResourcePatternType: sarama.AclPatternLiteral},
		sarama.Acl{Principal: "User:alice", Host: "*", Operation: sarama.AclOperationRead, PermissionType: sarama.AclPermissionAllow})
}

func saramaACL(topic string) sarama.AclFilter {
	return sarama.AclFilter{ResourceType: sarama.AclResourceTopic, ResourceName: &topic,
		ResourcePatternTypeFilter: sarama.AclPatternLiteral, Operation: sarama.AclOperationAny,
		PermissionType: sarama.AclPermissionAny}
}

func (s *saramaClient) countACLs(topic string) (int, error) {
	found, err := s.admin.ListAcls(saramaACL(topic))
	count := 0
	for _, one := range found {
		count += len(one.Acls)
	}
	return count, err
}

func (s *saramaClient) deleteACL(topic string) (int, error) {
	found, err := s.admin.DeleteACL(saramaACL(topic), false)
	return len(found), err
}

func (s *saramaClient) logBytes(topic string) (int64, error) {
	_, nodes, _, err := s.cluster()
	if err != nil {
		return 0, err
	}
	all, err := s.admin.DescribeLogDirs(nodes)
	total := int64(0)
	for _, dirs := range all {
		for _, dir := range dirs {
			for _, one := range dir.Topics {
				if one.Topic == topic {
					for _, part := range one.Partitions {
						total += part.Size
					}
				}
			}
		}
	}
	return total, err
}

func (s *saramaClient) lastSequences(string) ([]int32, error) {
	panic("not asked: " + strconv.Quote(s.name()))
}

func (s *saramaClient) quorum() (int32, []int32, int64, error) {
	panic("not asked: " + strconv.Quote(s.name()))
}
