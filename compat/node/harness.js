// Runs named checks, a few side by side, each under a watchdog, and writes one line of JSON for each.
// The first line names the plan, so that a driver which dies on the way is told from one that has nothing to say.
'use strict';

const fs = require('fs');

const SIDE_BY_SIDE = 4;
const WATCHDOG_SECONDS = 60;

class Harness {
  constructor() {
    this.checks = [];
    this.only = (process.env.COMPAT_CHECK || '').split(',').filter(Boolean);
  }

  check(name, body) {
    if (!this.only.length || this.only.includes(name)) this.checks.push([name, body]);
  }

  async run(results) {
    const out = fs.openSync(results, 'w');
    const write = line => fs.writeSync(out, JSON.stringify(line) + '\n');
    write({ plan: this.checks.map(([name]) => name) });
    const todo = [...this.checks];
    const work = async () => {
      while (todo.length) write(await one(...todo.shift()));
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
    fs.closeSync(out);
  }
}

async function one(name, body) {
  const began = Date.now();
  let watchdog;
  const hang = new Promise((_, reject) => {
    watchdog = setTimeout(() => reject(new Error(`no end after ${WATCHDOG_SECONDS} s`)), WATCHDOG_SECONDS * 1000);
  });
  let detail = '';
  try {
    await Promise.race([body(), hang]);
  } catch (thrown) {
    const ours = String(thrown.stack).split('\n').filter(line => /(checks|checks-admin|clients)\.js/.test(line));
    const where = /([\w-]+\.js:\d+)/.exec(ours[0] || '');
    detail = `${String(thrown).slice(0, 400)}${where ? ` at ${where[1]}` : ''}`;
  }
  clearTimeout(watchdog);
  return { check: name, ok: detail === '', detail, seconds: (Date.now() - began) / 1000 };
}

function same(expected, found, what) {
  const [left, right] = [JSON.stringify(expected), JSON.stringify(found)];
  if (left !== right) throw new Error(`${what}: expected ${left}, found ${right}`);
}

function yes(holds, what) {
  if (!holds) throw new Error(what);
}

/** Asks again until it holds: metadata reaches a broker a moment after the controller's answer. */
async function eventually(what, holds, seconds = 25) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await holds())) {
    yes(Date.now() < deadline, `never happened: ${what}`);
    await new Promise(again => setTimeout(again, 20));
  }
}

/** `code` is Kafka's error code; what carries it differs from client to client. */
async function fails(client, code, action) {
  let found;
  try {
    found = await action();
  } catch (thrown) {
    same(code, client.errorCode(thrown), `error code of ${thrown}`);
    return;
  }
  throw new Error(`expected error ${code}, but it succeeded: ${JSON.stringify(found)}`);
}

module.exports = { Harness, same, yes, eventually, fails };
