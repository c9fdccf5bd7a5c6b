package ottla.compat;

import static ottla.compat.Kit.fails;
import static ottla.compat.Kit.same;
import static ottla.compat.Kit.yes;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.BrokerIdNotRegisteredException;
import org.apache.kafka.common.errors.ControllerIdNotRegisteredException;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.InvalidUpdateVersionException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.VoterNotFoundException;

/** What the admin client asks of the cluster as a whole: leaders, replicas, features, nodes, voters. */
final class ClusterChecks {
    static void register(Harness harness, Kit kit) {
        harness.check("elect-leaders", () -> elections(kit));
        harness.check("reassign-partitions", () -> reassignments(kit));
        harness.check("update-features", () -> features(kit));
        harness.check("unregister-nodes", () -> unregister(kit));
        harness.check("raft-voters", () -> voters(kit));
    }

    private static void elections(Kit kit) throws Exception {
        var known = new TopicPartition(kit.topic("elect", 2), 1);
        var absent = new TopicPartition(Kit.unique("absent"), 0);
        var results = kit.admin.electLeaders(ElectionType.PREFERRED, Set.of(known, absent)).partitions().get();
        same(ElectionNotNeededException.class, results.get(known).orElseThrow().getClass(), "the preferred leads");
        same(UnknownTopicOrPartitionException.class, results.get(absent).orElseThrow().getClass(), "absent");
        results = kit.admin.electLeaders(ElectionType.UNCLEAN, null).partitions().get();
        yes(results.isEmpty(), "where all is well, nothing is told");
    }

    private static void reassignments(Kit kit) throws Exception {
        var partition = new TopicPartition(kit.topic("reassign", 1), 0);
        int broker = kit.admin.describeCluster().nodes().get().iterator().next().id();
        kit.admin.alterPartitionReassignments(to(partition, broker)).all().get();
        yes(kit.admin.listPartitionReassignments().reassignments().get().isEmpty(), "it was there already");
        fails(InvalidReplicaAssignmentException.class,
            () -> kit.admin.alterPartitionReassignments(to(partition, broker, 77)).all());
        fails(NoReassignmentInProgressException.class,
            () -> kit.admin.alterPartitionReassignments(Map.of(partition, Optional.empty())).all());
    }

    private static Map<TopicPartition, Optional<NewPartitionReassignment>> to(TopicPartition partition, Integer... brokers) {
        return Map.of(partition, Optional.of(new NewPartitionReassignment(List.of(brokers))));
    }

    private static void features(Kit kit) throws Exception {
        var dry = new UpdateFeaturesOptions().validateOnly(true);
        var lower = new FeatureUpdate((short) 0, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE);
        kit.admin.updateFeatures(Map.of("streams.version", lower), dry).all().get();
        var older = new FeatureUpdate((short) 30, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE);
        fails(InvalidUpdateVersionException.class,
            () -> kit.admin.updateFeatures(Map.of("metadata.version", older), dry).all());
        var unknown = new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE);
        fails(InvalidUpdateVersionException.class,
            () -> kit.admin.updateFeatures(Map.of("no.such", unknown), dry).all());
    }

    private static void unregister(Kit kit) throws Exception {
        fails(BrokerIdNotRegisteredException.class, () -> kit.admin.unregisterBroker(77).all());
        fails(ControllerIdNotRegisteredException.class, () -> kit.admin.unregisterController(77).all());
        int active = kit.admin.describeMetadataQuorum().quorumInfo().get().leaderId();
        fails(InvalidRequestException.class, () -> kit.admin.unregisterController(active).all());
    }

    private static void voters(Kit kit) throws Exception {
        int active = kit.admin.describeMetadataQuorum().quorumInfo().get().leaderId();
        fails(VoterNotFoundException.class, () -> kit.admin.removeRaftVoter(active, Uuid.randomUuid()).all());
        var own = kit.admin.describeMetadataQuorum().quorumInfo().get().voters().get(0).replicaDirectoryId();
        fails(VoterNotFoundException.class, () -> kit.admin.removeRaftVoter(active, own).all());
    }
}
