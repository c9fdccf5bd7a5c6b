// What the admin clients ask.
'use strict';

const { same, yes, eventually, fails } = require('./harness');
const { send, read, numbered } = require('./checks');

function register(harness, client) {
  const checks = {
    'create-topic': createTopic,
    'describe-topics': describeTopics,
    'delete-topic': deleteTopic,
    'create-partitions': createPartitions,
    'delete-records': deleteRecords,
    'list-offsets': listOffsets,
    'describe-configs': describeConfigs,
    'alter-configs': alterConfigs,
    'describe-cluster': describeCluster,
    'groups-admin': groups,
    'group-offsets': groupOffsets,
    acls,
    'error-unknown-topic': unknownTopic,
    'error-invalid-topic': invalidTopic,
  };
  for (const [name, body] of Object.entries(checks)) {
    if (!client.cannot.has(name)) harness.check(name, () => body(client));
  }
}

async function createTopic(client) {
  const name = client.unique('create');
  await client.createTopic(name, 3, { 'retention.ms': '123456' });
  await eventually('listed', async () => (await client.admin.listTopics()).includes(name));
  await eventually('three partitions', async () => (await client.partitions(name)).length === 3);
  same(false, await client.createTopic(name, 3, {}), 'made once more');
}

async function describeTopics(client) {
  const name = await client.topic('describe', 3);
  const found = await client.partitions(name);
  same(3, found.length, 'partitions');
  for (const partition of found) {
    same([1, 1], [partition.replicas.length, partition.isr.length], 'replicas and those in sync');
    yes(partition.leader !== undefined && partition.leader !== -1, 'a leader');
  }
}

async function deleteTopic(client) {
  const name = await client.topic('delete');
  await send(client, name, numbered(1));
  await client.admin.deleteTopics({ topics: [name] });
  await eventually('gone', async () => !(await client.admin.listTopics()).includes(name));
  await fails(client, 3, () => client.admin.deleteTopics({ topics: [name] }));
}

async function createPartitions(client) {
  const name = await client.topic('grow');
  await client.admin.createPartitions({ topicPartitions: [{ topic: name, count: 4 }] });
  await eventually('four partitions', async () => (await client.partitions(name)).length === 4);
  await send(client, name, numbered(1, 3));
  same('v0', (await read(client, name, 3, 1))[0].value.toString(), 'a record in the new partition');
  await fails(client, 37, () => client.admin.createPartitions({ topicPartitions: [{ topic: name, count: 2 }] }));
}

async function deleteRecords(client) {
  const name = await client.topic('trim');
  await send(client, name, numbered(10));
  // An admin of its own: kafkajs looks the leader up in metadata that other calls replace meanwhile.
  const admin = await client.newAdmin();
  await admin.fetchTopicOffsets(name);
  await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: '4' }] });
  await admin.disconnect();
  same('4', (await client.admin.fetchTopicOffsets(name))[0].low, 'low watermark');
  same('4', String((await read(client, name, 0, 1))[0].offset), 'first offset left');
}

async function listOffsets(client) {
  const name = await client.topic('offsets');
  const base = Date.now() - 500_000;
  for (const stamp of [base, base + 5000, base + 1000]) {
    await send(client, name, [{ value: 'v', partition: 0, timestamp: String(stamp) }]);
  }
  const [found] = await client.admin.fetchTopicOffsets(name);
  same(['0', '3'], [found.low, found.high], 'earliest and latest');
  same('1', (await client.admin.fetchTopicOffsetsByTimestamp(name, base + 2000))[0].offset, 'by time');
}

async function config(client, type, name) {
  const found = await client.admin.describeConfigs({ resources: [{ type, name }], includeSynonyms: false });
  return Object.fromEntries(found.resources[0].configEntries.map(entry => [entry.configName, entry.configValue]));
}

const [TOPIC, BROKER] = [2, 4];

async function describeConfigs(client) {
  const name = await client.topic('configs', 1, { 'retention.ms': '777' });
  const topic = await config(client, TOPIC, name);
  same(['777', '1073741824'], [topic['retention.ms'], topic['segment.bytes']], 'own setting and a default');
  const { controller } = await client.admin.describeCluster();
  same('8', (await config(client, BROKER, String(controller)))['offsets.topic.num.partitions'], "a broker's setting");
}

async function alterConfigs(client) {
  const name = await client.topic('alter');
  const alter = configEntries =>
    client.admin.alterConfigs({ validateOnly: false, resources: [{ type: TOPIC, name, configEntries }] });
  await alter([{ name: 'retention.ms', value: '5000' }]);
  await eventually('set', async () => (await config(client, TOPIC, name))['retention.ms'] === '5000');
  await alter([]);
  await eventually('at its default', async () => (await config(client, TOPIC, name))['retention.ms'] === '604800000');
  await fails(client, 40, () => alter([{ name: 'retention.ms', value: 'many' }]));
}

async function describeCluster(client) {
  const found = await client.admin.describeCluster();
  same(22, found.clusterId.length, 'length of the cluster id');
  same([found.controller], found.brokers.map(broker => broker.nodeId), 'nodes');
}

async function groups(client) {
  const topic = await client.topic('groups');
  const group = client.unique('groups');
  await send(client, topic, numbered(1));
  const consumer = client.consumer({ group, commit: true });
  let seen = 0;
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], ...client.fromBeginning });
  await consumer.run({ eachMessage: async () => void seen++ });
  await eventually('a record', () => seen);
  yes((await client.admin.listGroups()).groups.some(found => found.groupId === group), 'listed');
  const described = (await client.admin.describeGroups([group])).groups[0];
  same(1, described.members.length, 'members');
  await fails(client, 68, () => client.admin.deleteGroups([group]));
  await consumer.disconnect();
  await eventually('empty', async () => (await client.admin.describeGroups([group])).groups[0].members.length === 0);
  await client.admin.deleteGroups([group]);
  yes(!(await client.admin.listGroups()).groups.some(found => found.groupId === group), 'gone');
  await fails(client, 69, () => client.admin.deleteGroups([group]));
}

async function groupOffsets(client) {
  const topic = await client.topic('group-offsets', 2);
  const groupId = client.unique('group-offsets');
  await client.admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '5' }, { partition: 1, offset: '7' }] });
  const [found] = await client.admin.fetchOffsets({ groupId, topics: [topic] });
  const offsets = Object.fromEntries(found.partitions.map(one => [one.partition, one.offset]));
  same({ 0: '5', 1: '7' }, offsets, 'offsets');
}

async function acls(client) {
  const words = {
    resourceType: TOPIC,
    resourceName: client.unique('acls'),
    resourcePatternType: 3,
    principal: 'User:alice',
    host: '*',
    operation: 3,
    permissionType: 3,
  };
  await client.admin.createAcls({ acl: [words] });
  const found = async () => (await client.admin.describeAcls(words)).resources.flatMap(resource => resource.acls);
  await eventually('described', async () => (await found()).length === 1 && (await found())[0].principal === 'User:alice');
  const deleted = await client.admin.deleteAcls({ filters: [words] });
  same(1, deleted.filterResponses[0].matchingAcls.length, 'deleted');
  await eventually('gone', async () => (await found()).length === 0);
}

async function unknownTopic(client) {
  const name = client.unique('absent');
  await fails(client, 3, () => client.partitions(name));
  yes(!(await client.admin.listTopics()).includes(name), 'asking did not create it');
}

async function invalidTopic(client) {
  await fails(client, 17, () => client.createTopic('not/valid', 1, {}));
}

module.exports = { register };
