// The checks that both clients share: confluentinc's speaks the same interface as kafkajs.
'use strict';

const { spawn } = require('child_process');
const readline = require('readline');
const { randomBytes } = require('crypto');
const { same, yes, eventually, fails } = require('./harness');

const PARTITIONS = 6;

function register(harness, client) {
  const check = (name, body) => {
    if (!client.cannot.has(name)) harness.check(name, () => body(client));
  };
  check('produce-keys', keys);
  check('headers', headers);
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
    check(`compression-${codec}`, () => compression(client, codec));
  }
  for (const acks of ['0', '1', 'all']) check(`acks-${acks}`, () => acknowledged(client, acks));
  check('idempotent', idempotent);
  check('large-message', large);
  check('tombstone', tombstone);
  check('auto-create', autoCreate);
  check('error-too-large', tooLarge);
  check('consume-beginning', beginning);
  check('consume-offset', offset);
  check('consume-time', time);
  check('commit-resume', resume);
  if (process.env.COMPAT_SIDE === 'ottla') check('transactional-refused', transactional);
  check('group-rebalance', () => rebalance(client, 'range'));
  check('cooperative', cooperative);
  check('static-member', staticMember);
}

async function send(client, topic, messages, settings = {}) {
  const producer = client.producer(settings);
  await producer.connect();
  try {
    return await client.send(producer, topic, messages, settings);
  } finally {
    await producer.disconnect();
  }
}

/** Records of one partition, from a place, through a group that lives only for this. */
async function read(client, topic, partition, count, settings = {}) {
  const consumer = client.consumer({ group: client.unique('reader'), commit: false, ...settings });
  const records = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], ...client.fromBeginning });
    await consumer.run({
      eachMessage: async found => {
        if (found.partition === partition) records.push({ offset: Number(found.message.offset), ...found.message });
      },
    });
    if (settings.offset !== undefined) {
      await client.whenAssigned(consumer, 1);
      consumer.seek({ topic, partition, offset: String(settings.offset) });
      await eventually('the record sought', () => records.some(found => Number(found.offset) === settings.offset));
      return records.slice(records.findIndex(found => Number(found.offset) === settings.offset));
    }
    await eventually(`${count} records`, () => records.length >= count);
    return records;
  } finally {
    await consumer.disconnect();
  }
}

const text = bytes => (bytes === null || bytes === undefined ? null : bytes.toString());
const values = records => records.map(found => text(found.value));
const numbered = (count, partition = 0) => Array.from({ length: count }, (_, n) => ({ value: `v${n}`, partition }));
const names = count => numbered(count).map(message => message.value);

async function keys(client) {
  const topic = await client.topic('keys', 3);
  const sent = await send(client, topic, Array.from({ length: 10 }, (_, n) => ({ key: 'k', value: `v${n}` })));
  const keyed = sent[0].partition;
  const records = await read(client, topic, keyed, 10);
  same(['k', 'v9'], [text(records[9].key), text(records[9].value)], 'key and value');
  const other = (keyed + 1) % 3;
  await send(client, topic, [{ value: 'bare', partition: other }]);
  const bare = (await read(client, topic, other, 1))[0];
  same([null, 'bare'], [text(bare.key), text(bare.value)], 'a record without key');
}

async function headers(client) {
  const topic = await client.topic('headers');
  await send(client, topic, [{ value: 'body', partition: 0, headers: { a: ['1', '2'], c: '', d: '3' } }]);
  const found = (await read(client, topic, 0, 1))[0].headers;
  const plain = Object.fromEntries(
    Object.entries(found).map(([key, value]) => [key, Array.isArray(value) ? value.map(text) : text(value)]));
  same({ a: ['1', '2'], c: '', d: '3' }, plain, 'headers');
}

async function compression(client, codec) {
  const topic = await client.topic(`codec-${codec}`);
  const padding = 'compressible '.repeat(20);
  const messages = Array.from({ length: 500 }, (_, n) => ({ key: `k${n}`, value: padding + n, partition: 0 }));
  await send(client, topic, messages, { codec });
  const records = await read(client, topic, 0, 500);
  same(messages.map(message => message.value), values(records), 'values');
  same(499, Number(records[499].offset), 'last offset');
}

async function acknowledged(client, acks) {
  const topic = await client.topic(`acks-${acks}`);
  const sent = await send(client, topic, numbered(50), { acks });
  if (acks !== '0') same(0, sent[0].errorCode, 'error code in the answer');
  same(names(50), values(await read(client, topic, 0, 50)), 'values');
}

async function idempotent(client) {
  const topic = await client.topic('idempotent', 2);
  const producer = client.producer({ idempotent: true });
  await producer.connect();
  const all = numbered(100);
  for (let from = 0; from < 100; from += 10) {
    const part = all.slice(from, from + 10);
    await client.send(producer, topic, [...part, ...part.map(message => ({ ...message, partition: 1 }))], {
      idempotent: true,
    });
  }
  await producer.disconnect();
  for (const partition of [0, 1]) {
    same(names(100), values(await read(client, topic, partition, 100)), 'in order, once');
  }
}

async function large(client) {
  const topic = await client.topic('large');
  const value = randomBytes(900_000);
  await send(client, topic, [{ value, partition: 0 }]);
  await send(client, topic, [{ value: 'after', partition: 0 }]);
  const records = await read(client, topic, 0, 2, { fetchBytes: 10_000 });
  yes(value.equals(records[0].value), 'the large value');
  same('after', text(records[1].value), 'the record behind it');
}

async function tombstone(client) {
  const topic = await client.topic('tombstone', 1, { 'cleanup.policy': 'compact' });
  await send(client, topic, [{ key: 'k', value: 'v', partition: 0 }]);
  await send(client, topic, [{ key: 'k', value: null, partition: 0 }]);
  same(['v', null], values(await read(client, topic, 0, 2)), 'values');
}

async function autoCreate(client) {
  const topic = client.unique('auto');
  const producer = client.producer({ autoCreate: true });
  await producer.connect();
  await eventually('taken', async () => {
    try {
      await client.send(producer, topic, [{ value: 'v' }], {});
      return true;
    } catch (notYet) {
      // The first answers after the creation may still say that the topic is unknown or has no leader.
      yes([3, 5, -187, -188].includes(client.errorCode(notYet)), String(notYet));
      return false;
    }
  });
  await producer.disconnect();
  same('v', text((await read(client, topic, 0, 1))[0].value), 'value');
}

async function tooLarge(client) {
  const topic = await client.topic('too-large', 1, { 'max.message.bytes': '1000' });
  await fails(client, 10, () => send(client, topic, [{ value: 'x'.repeat(5000), partition: 0 }]));
}

async function beginning(client) {
  const topic = await client.topic('beginning');
  await send(client, topic, numbered(100));
  same(names(100), values(await read(client, topic, 0, 100)), 'values');
}

async function offset(client) {
  const topic = await client.topic('offset');
  await send(client, topic, numbered(100));
  const records = await read(client, topic, 0, 1, { offset: 42 });
  same('v42', text(records[0].value), 'value');
}

async function time(client) {
  const topic = await client.topic('time');
  const start = Date.now() - 1_000_000;
  const stamped = Array.from({ length: 20 }, (_, n) => ({
    value: `v${n}`,
    partition: 0,
    timestamp: String(start + n * 1000),
  }));
  for (const message of stamped) await send(client, topic, [message]);
  const found = await client.admin.fetchTopicOffsetsByTimestamp(topic, start + 9_500);
  same('10', found[0].offset, 'first offset at or after the time');
  const records = await read(client, topic, 0, 1, { offset: 10 });
  same(['v10', String(start + 10_000)], [text(records[0].value), String(records[0].timestamp)], 'value and time');
}

async function resume(client) {
  const topic = await client.topic('resume');
  const group = client.unique('resume');
  await send(client, topic, numbered(10));
  const first = client.consumer({ group, commit: false });
  let seen = 0;
  await first.connect();
  await first.subscribe({ topics: [topic], ...client.fromBeginning });
  await first.run({ eachMessage: async () => void seen++ });
  await eventually('ten records', () => seen >= 10);
  await first.commitOffsets([{ topic, partition: 0, offset: '6', metadata: 'note' }]);
  await first.disconnect();
  const [found] = await client.admin.fetchOffsets({ groupId: group, topics: [topic] });
  same(['6', 'note'], [found.partitions[0].offset, found.partitions[0].metadata], 'committed');
  const records = [];
  const second = client.consumer({ group, commit: false });
  await second.connect();
  await second.subscribe({ topics: [topic], ...client.fromBeginning });
  await second.run({ eachMessage: async ({ message }) => void records.push(message) });
  await eventually('a record', () => records.length);
  await second.disconnect();
  same('v6', text(records[0].value), 'resumed at');
}

async function transactional(client) {
  const producer = client.producer({ idempotent: true, transactionalId: client.unique('txn') });
  try {
    await producer.connect();
    await producer.transaction();
  } catch (refused) {
    yes(!refused.retriable || client.gaveUp(refused), `refused, but as if a retry helped: ${refused}`);
    return;
  }
  throw new Error('a transactional producer was let in');
}

/** A member of a group, with what it saw and holds. */
async function join(client, topic, group, settings) {
  const member = { seen: new Set(), assigned: [], revoked: [] };
  const consumer = client.consumer({ group, commit: true, member, ...settings });
  member.close = () => consumer.disconnect();
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], ...client.fromBeginning });
  await consumer.run({ eachMessage: async ({ message }) => void member.seen.add(text(message.value)) });
  member.holds = () => client.assigned(consumer, member);
  return member;
}

/** The mode of the process that is to die: prints each value that it consumed. */
async function member(client, topic, group, assignor) {
  const consumer = client.consumer({ group, commit: true, assignor });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], ...client.fromBeginning });
  await consumer.run({ eachMessage: async ({ message }) => void process.stdout.write(`${text(message.value)}\n`) });
}

async function rebalance(client, assignor) {
  const topic = await client.topic('group', PARTITIONS);
  const group = client.unique('group');
  const [all, ofTheDead] = [[], new Set()];
  const producer = client.producer({});
  await producer.connect();
  const produce = async () => {
    const part = Array.from({ length: PARTITIONS }, (_, partition) => ({ value: `v${all.length + partition}`, partition }));
    await client.send(producer, topic, part, {});
    all.push(...part.map(message => message.value));
  };
  const [one, two] = await Promise.all([join(client, topic, group, { assignor }), join(client, topic, group, { assignor })]);
  let late;
  try {
    await eventually('two members share', () => one.holds().length === 3 && two.holds().length === 3);
    await produce();
    await eventually('two members saw all', () => all.every(value => one.seen.has(value) || two.seen.has(value)));
    late = spawn(process.execPath, [require.main.filename, client.name, 'member', client.bootstrap, topic, group, assignor], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    readline.createInterface({ input: late.stdout }).on('line', line => ofTheDead.add(line));
    await eventually('the late member has a share', async () => {
      await produce();
      return ofTheDead.size;
    });
    late.kill('SIGKILL');
    await produce();
    await eventually('the others took over', () =>
      all.every(value => one.seen.has(value) || two.seen.has(value) || ofTheDead.has(value)));
  } finally {
    if (late) late.kill('SIGKILL');
    await Promise.all([one.close(), two.close(), producer.disconnect()]);
  }
}

async function cooperative(client) {
  const topic = await client.topic('cooperative', 4);
  const group = client.unique('cooperative');
  const one = await join(client, topic, group, { assignor: 'cooperative' });
  await eventually('the first member has all', () => one.holds().length === 4);
  const two = await join(client, topic, group, { assignor: 'cooperative' });
  await eventually('half moved', () => one.holds().length === 2 && two.holds().length === 2);
  yes(!one.revoked.includes(4), `only what moved is revoked: ${one.revoked}`);
  await two.close();
  await eventually('the first member has all again', () => one.holds().length === 4);
  await one.close();
}

async function staticMember(client) {
  const topic = await client.topic('static', 4);
  const group = client.unique('static');
  const enter = instance => join(client, topic, group, { assignor: 'range', instance, sessionMs: 30000 });
  const one = await enter('one');
  let two = await enter('two');
  await eventually('both have a share', () => one.holds().length === 2 && two.holds().length === 2);
  const share = [...two.holds()].sort();
  await two.close();
  const before = one.revoked.length;
  two = await enter('two');
  await eventually('the second returns', () => JSON.stringify([...two.holds()].sort()) === JSON.stringify(share));
  same(before, one.revoked.length, 'rebalances that the first saw meanwhile');
  await Promise.all([one.close(), two.close()]);
}

module.exports = { register, member, send, read, numbered };
