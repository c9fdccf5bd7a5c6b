package ottla.compat;

import static ottla.compat.Kit.eventually;
import static ottla.compat.Kit.fails;
import static ottla.compat.Kit.same;
import static ottla.compat.Kit.yes;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.AlterClientQuotasOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.ResourceNotFoundException;
import org.apache.kafka.common.errors.ThrottlingQuotaExceededException;
import org.apache.kafka.common.errors.UnacceptableCredentialException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

/** Quotas and SCRAM credentials: what the admin client sets and sees, and what clients feel of it. */
final class QuotaChecks {
    static void register(Harness harness, Kit kit) {
        harness.check("client-quotas", () -> quotas(kit));
        harness.check("quota-produce", () -> produceThrottled(kit));
        harness.check("quota-fetch", () -> fetchThrottled(kit));
        harness.check("quota-mutations", () -> mutationsRefused(kit));
        harness.check("scram-users", () -> scram(kit));
    }

    private static ClientQuotaEntity client(String id) {
        return new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, id));
    }

    private static void set(Kit kit, ClientQuotaEntity entity, String key, Double value, boolean onlyValidate)
            throws Exception {
        var alteration = new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op(key, value)));
        var options = new AlterClientQuotasOptions().validateOnly(onlyValidate);
        kit.admin.alterClientQuotas(List.of(alteration), options).all().get();
    }

    private static Map<String, Double> of(Kit kit, ClientQuotaEntity entity) throws Exception {
        var parts = entity.entries().entrySet().stream()
            .map(part -> part.getValue() == null
                ? ClientQuotaFilterComponent.ofDefaultEntity(part.getKey())
                : ClientQuotaFilterComponent.ofEntity(part.getKey(), part.getValue()))
            .toList();
        return kit.admin.describeClientQuotas(ClientQuotaFilter.containsOnly(parts)).entities().get()
            .getOrDefault(entity, Map.of());
    }

    private static void quotas(Kit kit) throws Exception {
        String id = Kit.unique("quotas");
        var entity = client(id);
        set(kit, entity, "producer_byte_rate", 1024.0, true);
        set(kit, entity, "consumer_byte_rate", 2048.0, false);
        eventually("set", () -> of(kit, entity).equals(Map.of("consumer_byte_rate", 2048.0)));
        // The user's default, for this client alone.
        Map<String, String> names = new HashMap<>();
        names.put(ClientQuotaEntity.USER, null);
        names.put(ClientQuotaEntity.CLIENT_ID, id);
        var both = new ClientQuotaEntity(names);
        set(kit, both, "request_percentage", 12.5, false);
        eventually("set for both", () -> of(kit, both).equals(Map.of("request_percentage", 12.5)));
        var any = ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.CLIENT_ID, id)));
        same(2, kit.admin.describeClientQuotas(any).entities().get().size(), "entities with this client id");
        fails(InvalidRequestException.class, () -> {
            set(kit, entity, "producer_byte_rate", -1.0, false);
            return null;
        });
        fails(InvalidRequestException.class, () -> {
            set(kit, entity, "connection_creation_rate", 1.0, false);
            return null;
        });
        set(kit, entity, "consumer_byte_rate", null, false);
        set(kit, both, "request_percentage", null, false);
        eventually("gone", () -> kit.admin.describeClientQuotas(any).entities().get().isEmpty());
    }

    private static double metric(Map<org.apache.kafka.common.MetricName, ? extends org.apache.kafka.common.Metric> all, String name) {
        return all.entrySet().stream()
            .filter(entry -> entry.getKey().name().equals(name))
            .mapToDouble(entry -> ((Number) entry.getValue().metricValue()).doubleValue())
            .filter(value -> !Double.isNaN(value))
            .max().orElse(0);
    }

    private static void produceThrottled(Kit kit) throws Exception {
        String id = Kit.unique("producer");
        String topic = kit.topic("throttled", 1);
        set(kit, client(id), "producer_byte_rate", 20_000.0, false);
        eventually("set", () -> !of(kit, client(id)).isEmpty());
        try (var producer = kit.producer("client.id", id)) {
            // Ten seconds' worth passes; what is more is answered at once, and waited for afterwards.
            for (int i = 0; i < 5; i++) {
                producer.send(new ProducerRecord<>(topic, 0, null, new byte[50_000])).get(30, TimeUnit.SECONDS);
            }
            double worst = metric(producer.metrics(), "produce-throttle-time-max");
            yes(worst > 1000 && worst < 5000, "throttled for " + worst + " ms");
        }
        try (var producer = kit.producer("client.id", Kit.unique("other"))) {
            producer.send(new ProducerRecord<>(topic, 0, null, new byte[500_000])).get(30, TimeUnit.SECONDS);
            same(0.0, metric(producer.metrics(), "produce-throttle-time-max"), "another client's throttling");
        }
    }

    private static void fetchThrottled(Kit kit) throws Exception {
        String id = Kit.unique("consumer");
        String topic = kit.topic("fetched", 1);
        try (var producer = kit.producer()) {
            for (int i = 0; i < 6; i++) {
                producer.send(new ProducerRecord<>(topic, 0, null, new byte[50_000])).get(30, TimeUnit.SECONDS);
            }
        }
        set(kit, client(id), "consumer_byte_rate", 20_000.0, false);
        eventually("set", () -> !of(kit, client(id)).isEmpty());
        try (var consumer = kit.consumer("client.id", id)) {
            var partition = new org.apache.kafka.common.TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            same(6, Kit.poll(consumer, 6).size(), "records");
            double worst = metric(consumer.metrics(), "fetch-throttle-time-max");
            yes(worst > 0, "throttled for " + worst + " ms");
        }
    }

    private static void mutationsRefused(Kit kit) throws Exception {
        String id = Kit.unique("creator");
        set(kit, client(id), "controller_mutation_rate", 1.0, false);
        eventually("set", () -> !of(kit, client(id)).isEmpty());
        Map<String, Object> settings = Map.of("bootstrap.servers", kit.bootstrap, "client.id", id);
        try (var admin = org.apache.kafka.clients.admin.Admin.create(settings)) {
            var options = new CreateTopicsOptions().retryOnQuotaViolation(false);
            String first = Kit.unique("many");
            admin.createTopics(List.of(new NewTopic(first, 15, (short) 1)), options).all().get();
            try {
                admin.createTopics(List.of(new NewTopic(Kit.unique("more"), 1, (short) 1)), options).all().get();
                throw new AssertionError("more than the quota were created");
            } catch (java.util.concurrent.ExecutionException refused) {
                yes(refused.getCause() instanceof ThrottlingQuotaExceededException, "found " + refused.getCause());
                int wait = ((ThrottlingQuotaExceededException) refused.getCause()).throttleTimeMs();
                yes(wait > 1000 && wait <= 4000, "told to wait for " + wait + " ms");
            }
            // Whoever tries again until he may gets his topic.
            String last = Kit.unique("later");
            admin.createTopics(List.of(new NewTopic(last, 1, (short) 1))).all().get(30, TimeUnit.SECONDS);
            kit.admin.deleteTopics(List.of(first, last)).all().get();
        }
    }

    private static void scram(Kit kit) throws Exception {
        String user = Kit.unique("user");
        var sha256 = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
        kit.admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, sha256, "secret"))).all().get();
        var sha512 = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192);
        kit.admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, sha512, "secret"))).all().get();
        eventually("described", () -> kit.admin.describeUserScramCredentials(List.of(user)).all().get()
            .get(user).credentialInfos().equals(List.of(sha256, sha512)));
        yes(kit.admin.describeUserScramCredentials().users().get().contains(user), "listed");
        kit.admin.alterUserScramCredentials(
            List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))).all().get();
        eventually("one is left", () -> kit.admin.describeUserScramCredentials(List.of(user)).all().get()
            .get(user).credentialInfos().equals(List.of(sha256)));
        fails(ResourceNotFoundException.class, () -> kit.admin.alterUserScramCredentials(
            List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))).all());
        var few = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 100);
        fails(UnacceptableCredentialException.class, () -> kit.admin.alterUserScramCredentials(
            List.of(new UserScramCredentialUpsertion(user, few, "secret"))).all());
        String nobody = Kit.unique("nobody");
        fails(ResourceNotFoundException.class,
            () -> kit.admin.describeUserScramCredentials(List.of(nobody)).description(nobody));
    }
}
