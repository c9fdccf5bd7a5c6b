// The two clients behind one interface.
'use strict';

const { randomUUID } = require('crypto');
const { eventually, same } = require('./harness');

class Base {
  constructor(bootstrap) {
    this.bootstrap = bootstrap;
  }

  unique(what) {
    return `${this.name}-${what}-${randomUUID().slice(0, 8)}`;
  }

  async topic(what, partitions = 1, configs = {}) {
    const name = this.unique(what);
    await this.createTopic(name, partitions, configs);
    // Some clients give up on a topic that the broker has not heard of yet.
    await eventually('the broker knows the topic', async () => (await this.partitionsKnown(name)) === partitions);
    return name;
  }

  async partitionsKnown(name) {
    try {
      return (await this.partitions(name)).length;
    } catch (unknown) {
      same(3, this.errorCode(unknown), `error code of ${unknown}`);
      return 0;
    }
  }

  async newAdmin() {
    const admin = this.kafka.admin();
    await admin.connect();
    return admin;
  }

  createTopic(topic, numPartitions, configs) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    return this.admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] });
  }
}

class KafkaJs extends Base {
  constructor(bootstrap) {
    super(bootstrap);
    this.name = 'kafkajs';
    this.fromBeginning = { fromBeginning: true };
    // The client knows neither cooperative rebalancing nor static members.
    this.cannot = new Set(['cooperative', 'static-member']);
    this.library = require('kafkajs');
    this.kafka = new this.library.Kafka({ brokers: [bootstrap], logLevel: this.library.logLevel.NOTHING });
  }

  async start() {
    const { CompressionTypes, CompressionCodecs } = this.library;
    const zstd = await new Promise(ready => require('zstd-codec').ZstdCodec.run(ready));
    const codec = (compress, decompress) => () => ({
      compress: async encoder => Buffer.from(compress(encoder.buffer)),
      decompress: async bytes => Buffer.from(decompress(bytes)),
    });
    const simple = new zstd.Simple();
    CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
    CompressionCodecs[CompressionTypes.LZ4] = new (require('kafkajs-lz4'))().codec;
    CompressionCodecs[CompressionTypes.ZSTD] = codec(b => simple.compress(b), b => simple.decompress(b));
    this.admin = await this.newAdmin();
  }

  producer({ idempotent, transactionalId, autoCreate }) {
    const settings = { idempotent: !!idempotent, transactionalId, allowAutoTopicCreation: !!autoCreate };
    if (idempotent) settings.maxInFlightRequests = 1;
    if (transactionalId) settings.retry = { retries: 2 };
    return this.kafka.producer(settings);
  }

  async send(producer, topic, messages, { acks = 'all', codec = 'none' }) {
    const types = this.library.CompressionTypes;
    const compression = { none: types.None, gzip: types.GZIP, snappy: types.Snappy, lz4: types.LZ4, zstd: types.ZSTD }[codec];
    return producer.send({ topic, messages, acks: acks === 'all' ? -1 : Number(acks), compression });
  }

  consumer({ group, commit, sessionMs = 3000, fetchBytes, member }) {
    const settings = { groupId: group, sessionTimeout: sessionMs, heartbeatInterval: 300, rebalanceTimeout: 10000, maxWaitTimeInMs: 200 };
    if (fetchBytes) settings.maxBytesPerPartition = fetchBytes;
    const consumer = this.kafka.consumer(settings);
    const state = member || {};
    consumer.state = state;
    state.assigned = [];
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      state.assigned = Object.values(payload.memberAssignment).flat();
    });
    const run = consumer.run;
    consumer.run = options => run({ autoCommit: commit, autoCommitInterval: 100, ...options });
    return consumer;
  }

  assigned(_, member) {
    return member.assigned;
  }

  whenAssigned(consumer, count) {
    return eventually('an assignment', () => consumer.state.assigned.length === count);
  }

  async partitions(topic) {
    return (await this.admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions;
  }

  errorCode(thrown) {
    for (const inner of [thrown, ...(thrown.errors || []), ...(thrown.groups || []).map(found => found.error), thrown.cause]) {
      if (inner && typeof inner.code === 'number') return inner.code;
    }
    return undefined;
  }

  gaveUp(thrown) {
    return thrown.name === 'KafkaJSNumberOfRetriesExceeded' ? !thrown.cause.retriable : false;
  }
}

class Confluent extends Base {
  constructor(bootstrap) {
    super(bootstrap);
    this.name = 'confluent-kafka-javascript';
    this.fromBeginning = {};
    // The rest of librdkafka's admin has no words in this package.
    this.cannot = new Set([
      'create-partitions',
      'describe-configs',
      'alter-configs',
      'describe-cluster',
      'group-offsets',
      'acls',
    ]);
    this.library = require('@confluentinc/kafka-javascript').KafkaJS;
    this.kafka = new this.library.Kafka({ kafkaJS: { brokers: [bootstrap], logLevel: this.library.logLevel.NOTHING } });
  }

  async start() {
    this.admin = await this.newAdmin();
  }

  producer({ idempotent, transactionalId, acks = 'all', codec = 'none', autoCreate }) {
    const kafkaJS = { idempotent: !!idempotent, acks: acks === 'all' ? -1 : Number(acks), compression: codec };
    kafkaJS.allowAutoTopicCreation = !!autoCreate;
    if (transactionalId) Object.assign(kafkaJS, { transactionalId, timeout: 20000 });
    return this.kafka.producer({ kafkaJS });
  }

  send(producer, topic, messages) {
    // Copies, because the package turns values into buffers in place.
    return producer.send({ topic, messages: messages.map(message => ({ ...message })) });
  }

  consumer({ group, commit, assignor = 'range', instance, sessionMs = 3000, fetchBytes, member }) {
    const settings = {
      kafkaJS: { groupId: group, fromBeginning: true, autoCommit: commit, autoCommitInterval: 100, sessionTimeout: sessionMs, heartbeatInterval: 300 },
      'partition.assignment.strategy': assignor === 'cooperative' ? 'cooperative-sticky' : assignor,
    };
    if (instance) settings['group.instance.id'] = instance;
    if (fetchBytes) settings['fetch.message.max.bytes'] = fetchBytes;
    if (member) {
      settings.rebalance_cb = (event, assignment) => {
        if (event.code === this.library.ErrorCodes.ERR__REVOKE_PARTITIONS) member.revoked.push(assignment.length);
      };
    }
    return this.kafka.consumer(settings);
  }

  assigned(consumer) {
    try {
      return consumer.assignment().map(found => found.partition);
    } catch {
      return [];
    }
  }

  whenAssigned(consumer, count) {
    return eventually('an assignment', () => this.assigned(consumer).length === count);
  }

  async partitions(topic) {
    return (await this.admin.fetchTopicMetadata({ topics: [topic] }))[0].partitions;
  }

  errorCode(thrown) {
    for (const inner of [thrown, ...(thrown.errors || []), ...(thrown.groups || []).map(found => found.error)]) {
      if (inner && typeof inner.code === 'number' && inner.code !== -1) return inner.code;
    }
    return undefined;
  }

  gaveUp() {
    return false;
  }
}

module.exports = { kafkajs: KafkaJs, 'confluent-kafka-javascript': Confluent };
