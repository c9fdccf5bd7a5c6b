// `main.js CLIENT BOOTSTRAP RESULTS`, or `main.js CLIENT member BOOTSTRAP TOPIC GROUP ASSIGNOR` for the one that dies.
'use strict';

const { Harness } = require('./harness');
const checks = require('./checks');
const admin = require('./checks-admin');
const clients = require('./clients');

async function main(name, ...rest) {
  if (rest[0] === 'member') {
    const [, bootstrap, topic, group, assignor] = rest;
    const client = new clients[name](bootstrap);
    await checks.member(client, topic, group, assignor);
    return;
  }
  const [bootstrap, results] = rest;
  const client = new clients[name](bootstrap);
  await client.start();
  const harness = new Harness();
  checks.register(harness, client);
  admin.register(harness, client);
  await harness.run(results);
  // Whatever a watchdog gave up on must not keep the process.
  process.exit(0);
}

main(...process.argv.slice(2)).catch(thrown => {
  console.error(thrown);
  process.exit(1);
});
