// Calls bufferutil from several threads, again and again, and compares every result with one that is computed here.
//
//   node.exe node.js ADDON probe     says "old", "new" or "wrong": what each of some calls did, if all did the same
//   node.exe node.js ADDON THREADS   calls until it is ended; ten times a second a line of JSON: how many calls of each
//                                    thread did what
//
// old: mask() takes byte i of a message with byte i & 3 of the key, as it should; new: with byte i & 1, as the changed
// addon does; either: a message too short to tell. unmask() is the same in both.
'use strict';
const { randomBytes } = require('crypto');
const { Worker, isMainThread, workerData } = require('worker_threads');

const KINDS = ['old', 'new', 'either', 'wrong'];
const EDGE = 8;
const TELLING = 3; // bytes: from here on the two differ
const pool = randomBytes(1 << 16); // messages are parts of it

function xor(source, key, used) {
  const result = Buffer.alloc(source.length);
  for (let i = 0; i < source.length; ++i)
    result[i] = source[i] ^ key[i & used];
  return result;
}

function number(below) {
  return Math.floor(Math.random() * below);
}

function someKey() {
  const key = Buffer.from([number(256), number(256), 0, 0]);
  key[2] = key[0] ^ (1 + number(255));
  key[3] = key[1] ^ (1 + number(255));
  return key;
}

// One call of each function, with any length, alignment and place in the output.
function call(addon) {
  const length = number(number(8) ? 64 : 16384);
  const offset = number(EDGE);
  const start = number(pool.length - length);
  const source = pool.subarray(start, start + length);
  const key = someKey();
  const before = Buffer.alloc(offset + length + EDGE, number(256));
  const output = Buffer.from(before);
  const message = Buffer.from(source);
  const right = xor(source, key, 3);

  addon.mask(source, key, output, offset, length);
  const masked = output.subarray(offset, offset + length);
  const aside = output.subarray(0, offset).equals(before.subarray(0, offset)) &&
                output.subarray(offset + length).equals(before.subarray(offset + length));
  const copy = Buffer.from(right);
  addon.unmask(copy, key);
  if (!aside || !source.equals(message) || !copy.equals(source))
    return 3;
  if (length < TELLING)
    return masked.equals(right) ? 2 : 3;
  return masked.equals(right) ? 0 : masked.equals(xor(source, key, 1)) ? 1 : 3;
}

function probe(addon) {
  const seen = new Set();
  for (let i = 0; i < 2000; ++i)
    seen.add(KINDS[call(addon)]);
  seen.delete('either');
  return seen.size === 1 ? [...seen][0] : 'wrong';
}

function counted(addon, counters, thread) {
  Atomics.add(counters, thread * KINDS.length + call(addon), 1);
}

function line(counters) {
  const result = {};
  KINDS.forEach((kind, at) => {
    result[kind] = [];
    for (let i = at; i < counters.length; i += KINDS.length)
      result[kind].push(Atomics.load(counters, i));
  });
  return JSON.stringify(result);
}

if (!isMainThread) {
  const addon = require(workerData.path);
  for (;;)
    counted(addon, workerData.counters, workerData.thread);
}

const [path, what] = process.argv.slice(2);
const addon = require(path);
if (what === 'probe') {
  console.log(probe(addon));
} else {
  const threads = Number(what);
  const counters = new Uint32Array(new SharedArrayBuffer(4 * threads * KINDS.length));
  for (let thread = 1; thread < threads; ++thread)
    new Worker(__filename, { workerData: { path, counters, thread } });
  setInterval(() => {
    for (let i = 0; i < 100; ++i)
      counted(addon, counters, 0);
    console.log(line(counters));
  }, 100);
}
