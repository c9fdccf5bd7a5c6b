package ottla.compat;

import static ottla.compat.Kit.bytes;
import static ottla.compat.Kit.eventually;
import static ottla.compat.Kit.fails;
import static ottla.compat.Kit.same;
import static ottla.compat.Kit.yes;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** What the admin client asks. */
final class AdminChecks {
    static void register(Harness harness, Kit kit) {
        harness.check("create-topic", () -> createTopic(kit));
        harness.check("describe-topics", () -> describeTopics(kit));
        harness.check("delete-topic", () -> deleteTopic(kit));
        harness.check("create-partitions", () -> createPartitions(kit));
        harness.check("delete-records", () -> deleteRecords(kit));
        harness.check("list-offsets", () -> listOffsets(kit));
        harness.check("describe-configs", () -> describeConfigs(kit));
        harness.check("alter-configs", () -> alterConfigs(kit));
        harness.check("describe-cluster", () -> describeCluster(kit));
        harness.check("groups-admin", () -> groups(kit));
        harness.check("group-offsets", () -> groupOffsets(kit));
        harness.check("acls", () -> acls(kit));
        harness.check("log-dirs", () -> logDirs(kit));
        harness.check("describe-producers", () -> producers(kit));
        harness.check("describe-quorum", () -> quorum(kit));
        harness.check("error-unknown-topic", () -> fails(UnknownTopicOrPartitionException.class,
            () -> kit.admin.describeTopics(List.of(Kit.unique("absent"))).allTopicNames()));
        harness.check("error-invalid-topic", () -> fails(InvalidTopicException.class,
            () -> kit.admin.createTopics(List.of(new NewTopic("not/valid", 1, (short) 1))).all()));
    }

    private static void createTopic(Kit kit) throws Exception {
        String name = Kit.unique("create");
        var topic = new NewTopic(name, 3, (short) 1).configs(Map.of("retention.ms", "123456"));
        var created = kit.admin.createTopics(List.of(topic));
        same(3, created.numPartitions(name).get(), "partitions in the answer");
        same("123456", created.config(name).get().get("retention.ms").value(), "config in the answer");
        yes(!created.topicId(name).get().toString().isEmpty(), "topic id");
        fails(TopicExistsException.class, () -> kit.admin.createTopics(List.of(topic)).all());
        eventually("listed", () -> kit.admin.listTopics().names().get().contains(name));
    }

    private static void describeTopics(Kit kit) throws Exception {
        String name = kit.topic("describe", 3);
        eventually("described", () -> kit.admin.listTopics().names().get().contains(name));
        var found = kit.admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
        same(3, found.partitions().size(), "partitions");
        same(1, found.partitions().get(0).replicas().size(), "replicas");
        same(1, found.partitions().get(2).isr().size(), "in sync");
        yes(found.partitions().get(1).leader() != null, "a leader");
    }

    private static void deleteTopic(Kit kit) throws Exception {
        String name = kit.topic("delete", 1);
        kit.send(name, 0, 0, 1);
        kit.admin.deleteTopics(List.of(name)).all().get();
        eventually("gone", () -> !kit.admin.listTopics().names().get().contains(name));
        fails(UnknownTopicOrPartitionException.class, () -> kit.admin.deleteTopics(List.of(name)).all());
    }

    private static void createPartitions(Kit kit) throws Exception {
        String name = kit.topic("grow", 1);
        kit.admin.createPartitions(Map.of(name, NewPartitions.increaseTo(4))).all().get();
        eventually("four partitions", () -> kit.admin.describeTopics(List.of(name)).allTopicNames().get()
            .get(name).partitions().size() == 4);
        eventually("the new one takes records", () -> {
            kit.send(name, 3, 0, 1);
            return true;
        });
        fails(org.apache.kafka.common.errors.InvalidPartitionsException.class,
            () -> kit.admin.createPartitions(Map.of(name, NewPartitions.increaseTo(2))).all());
    }

    private static void deleteRecords(Kit kit) throws Exception {
        String name = kit.topic("trim", 1);
        kit.send(name, 0, 0, 10);
        var partition = new TopicPartition(name, 0);
        long low = kit.admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4)))
            .lowWatermarks().get(partition).get().lowWatermark();
        same(4L, low, "low watermark");
        same(4L, kit.read(name, 0, 1).get(0).offset(), "first offset left");
    }

    private static void listOffsets(Kit kit) throws Exception {
        String name = kit.topic("offsets", 1);
        long base = System.currentTimeMillis() - 500_000;
        try (KafkaProducer<byte[], byte[]> producer = kit.producer()) {
            for (long stamp : new long[] {base, base + 5000, base + 1000}) {
                producer.send(new ProducerRecord<>(name, 0, stamp, null, bytes("v"))).get();
            }
        }
        same(0L, offset(kit, name, OffsetSpec.earliest()), "earliest");
        same(3L, offset(kit, name, OffsetSpec.latest()), "latest");
        same(1L, offset(kit, name, OffsetSpec.maxTimestamp()), "largest timestamp");
        same(1L, offset(kit, name, OffsetSpec.forTimestamp(base + 2000)), "by time");
    }

    private static long offset(Kit kit, String name, OffsetSpec spec) throws Exception {
        var partition = new TopicPartition(name, 0);
        return kit.admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private static void describeConfigs(Kit kit) throws Exception {
        String name = kit.topic("configs", 1, Map.of("retention.ms", "777"));
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
        eventually("a topic's own setting", () -> "777".equals(config(kit, topic).get("retention.ms").value()));
        var entries = config(kit, topic);
        same(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, entries.get("retention.ms").source(), "source");
        same(ConfigEntry.ConfigSource.DEFAULT_CONFIG, entries.get("segment.ms").source(), "source of a default");
        var node = kit.admin.describeCluster().nodes().get().iterator().next();
        var broker = config(kit, new ConfigResource(ConfigResource.Type.BROKER, node.idString()));
        same("8", broker.get("offsets.topic.num.partitions").value(), "a broker's setting");
        yes(broker.get("offsets.topic.num.partitions").isReadOnly(), "read only");
    }

    private static Map<String, ConfigEntry> config(Kit kit, ConfigResource resource) throws Exception {
        Collection<ConfigEntry> entries = kit.admin.describeConfigs(List.of(resource)).all().get().get(resource).entries();
        return entries.stream().collect(Collectors.toMap(ConfigEntry::name, entry -> entry));
    }

    private static void alterConfigs(Kit kit) throws Exception {
        String name = kit.topic("alter", 1);
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
        alter(kit, topic, "retention.ms", "5000", AlterConfigOp.OpType.SET);
        alter(kit, topic, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        eventually("set", () -> "5000".equals(config(kit, topic).get("retention.ms").value()));
        eventually("appended", () -> "delete,compact".equals(config(kit, topic).get("cleanup.policy").value()));
        alter(kit, topic, "retention.ms", "", AlterConfigOp.OpType.DELETE);
        eventually("back at its default", () -> "604800000".equals(config(kit, topic).get("retention.ms").value()));
        fails(org.apache.kafka.common.errors.InvalidConfigurationException.class, () -> {
            alter(kit, topic, "retention.ms", "many", AlterConfigOp.OpType.SET);
            return null;
        });
    }

    private static void alter(Kit kit, ConfigResource resource, String key, String value, AlterConfigOp.OpType type)
            throws Exception {
        var change = new AlterConfigOp(new ConfigEntry(key, value), type);
        kit.admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
    }

    private static void describeCluster(Kit kit) throws Exception {
        var cluster = kit.admin.describeCluster();
        same(1, cluster.nodes().get().size(), "nodes");
        yes(cluster.clusterId().get().length() == 22, "cluster id");
        yes(cluster.controller().get() != null, "controller");
        yes(kit.admin.describeFeatures().featureMetadata().get().supportedFeatures().containsKey("metadata.version"),
            "metadata.version");
    }

    private static void groups(Kit kit) throws Exception {
        String topic = kit.topic("groups", 1);
        String group = Kit.unique("groups");
        kit.send(topic, 0, 0, 1);
        try (var consumer = kit.consumer("group.id", group, "client.id", "watched")) {
            consumer.subscribe(List.of(topic));
            Kit.poll(consumer, 1);
            consumer.commitSync();
            yes(kit.admin.listGroups().all().get().stream().anyMatch(found -> found.groupId().equals(group)), "listed");
            var description = kit.admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            same(1, description.members().size(), "members");
            same("watched", description.members().iterator().next().clientId(), "client id");
            same("STABLE", description.groupState().name(), "state");
            fails(org.apache.kafka.common.errors.GroupNotEmptyException.class,
                () -> kit.admin.deleteConsumerGroups(List.of(group)).all());
        }
        eventually("empty", () -> kit.admin.describeConsumerGroups(List.of(group)).all().get().get(group)
            .groupState().name().equals("EMPTY"));
        kit.admin.deleteConsumerGroups(List.of(group)).all().get();
        yes(kit.admin.listGroups().all().get().stream().noneMatch(found -> found.groupId().equals(group)), "gone");
        fails(GroupIdNotFoundException.class, () -> kit.admin.deleteConsumerGroups(List.of(group)).all());
    }

    private static void groupOffsets(Kit kit) throws Exception {
        String topic = kit.topic("group-offsets", 2);
        String group = Kit.unique("group-offsets");
        var zero = new TopicPartition(topic, 0);
        var one = new TopicPartition(topic, 1);
        kit.admin.alterConsumerGroupOffsets(group,
            Map.of(zero, new OffsetAndMetadata(5, "here"), one, new OffsetAndMetadata(7))).all().get();
        var found = kit.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        same(5L, found.get(zero).offset(), "offset");
        same("here", found.get(zero).metadata(), "metadata");
        kit.admin.deleteConsumerGroupOffsets(group, Set.of(one)).all().get();
        found = kit.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        same(Set.of(zero), found.keySet(), "left after deleting one");
    }

    private static void acls(Kit kit) throws Exception {
        String topic = Kit.unique("acls");
        var binding = new AclBinding(new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL),
            new AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW));
        kit.admin.createAcls(List.of(binding)).all().get();
        eventually("described", () -> List.of(binding)
            .equals(new ArrayList<>(kit.admin.describeAcls(binding.toFilter()).values().get())));
        var deleted = kit.admin.deleteAcls(List.of(binding.toFilter())).all().get();
        same(List.of(binding), new ArrayList<>(deleted), "deleted");
        eventually("gone", () -> kit.admin.describeAcls(binding.toFilter()).values().get().isEmpty());
    }

    private static void logDirs(Kit kit) throws Exception {
        String topic = kit.topic("log-dirs", 1);
        kit.send(topic, 0, 0, 10);
        int node = kit.admin.describeCluster().nodes().get().iterator().next().id();
        var dirs = kit.admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node);
        var replica = dirs.values().iterator().next().replicaInfos().get(new TopicPartition(topic, 0));
        yes(replica.size() > 0, "bytes of the partition");
        yes(dirs.values().iterator().next().totalBytes().orElse(0) > 0, "bytes of the volume");
    }

    private static void producers(Kit kit) throws Exception {
        String topic = kit.topic("producers", 1);
        kit.send(topic, 0, 0, 10);
        var partition = new TopicPartition(topic, 0);
        var active = kit.admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers();
        same(1, active.size(), "producers");
        same(9, active.get(0).lastSequence(), "last sequence");
    }

    private static void quorum(Kit kit) throws Exception {
        var quorum = kit.admin.describeMetadataQuorum().quorumInfo().get();
        same(1, quorum.voters().size(), "voters");
        same(quorum.leaderId(), quorum.voters().get(0).replicaId(), "leader");
        yes(quorum.highWatermark() > 0, "high watermark");
        yes(quorum.leaderEpoch() > 0, "epoch");
    }
}
