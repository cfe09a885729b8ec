// The measures of a queue library of Node's, each the same for all of them.
//
// A program is called with its orders as one JSON object and prints one JSON object: what it measured, or why it could
// not. It ends when its standard input does. The libraries are found in the folder `.installed` beside this file.
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

const require = createRequire(new URL('.installed/', import.meta.url))
const MESSAGE_BYTES = 300
const WARM_UP = 2000
const FILL_AT_ONCE = 5000
const SILENT_MS = 1000
const IN_HAND_MS = 100 // how long a message takes to be answered while pauses are measured
const RUN_UP_MS = 500
const QUEUE_ONE_MS = 1 // time for each message that has an instant of its own, before the first is due
const UNCOUNTED = 5

/** Loads an installed package. */
export const load = (name) => require(name)

export { sleep }

/** Messages of 300 bytes that carry their number. */
export function make_messages(from, count) {
  return Array.from({ length: count }, (_, offset) => {
    const message = { number: from + offset, text: '' }
    return { ...message, text: 'x'.repeat(MESSAGE_BYTES - JSON.stringify(message).length) }
  })
}

/** Whether each message was handled, and how often one was handled twice. */
class Tally {
  constructor(count, on_message = () => {}) {
    this.seen = new Uint8Array(count)
    this.handled = 0
    this.repeated = 0
    this.first = undefined
    this.on_message = on_message
    this.all = new Promise((resolve) => (this.resolve = resolve))
  }

  note({ number }) {
    this.first ??= performance.now()
    if (this.seen[number]) this.repeated++
    else this.handled++
    this.seen[number] = 1
    this.on_message(number)
    if (this.handled === this.seen.length) this.resolve()
  }

  check() {
    if (this.handled !== this.seen.length || this.repeated)
      throw new Error(`${this.handled} of ${this.seen.length} messages were handled, ${this.repeated} of them twice`)
  }
}

/** Queues that many. */
async function fill(library, count, timetable) {
  for (let from = 0; from < count; from += FILL_AT_ONCE)
    await library.add(make_messages(from, Math.min(FILL_AT_ONCE, count - from)), timetable)
}

/** The instant at which nothing was left any more. */
async function wait_until_recorded(library) {
  for (;;) {
    const asked = performance.now()
    if ((await library.count_left()) === 0) return asked
    await sleep(1)
  }
}

/** Queues messages, then times them from the worker's beginning to the last record. */
async function work_off(library, count) {
  await fill(library, count)
  await library.settle()
  const before = await library.count_recorded()
  const tally = new Tally(count)
  const worker = await library.hire((message) => tally.note(message), { measure: 'drain' })
  const started = performance.now()
  await worker.start()
  await tally.all
  const ended = await wait_until_recorded(library)
  await worker.stop()
  tally.check()
  const recorded = (await library.count_recorded()) - before
  if (library.keeps && recorded !== count) throw new Error(`${recorded} of ${count} messages were recorded as done`)
  return { seconds: (ended - started) / 1000, first_seconds: (tally.first - started) / 1000 }
}

async function drain(library, { jobs }) {
  await work_off(library, Math.min(WARM_UP, jobs))
  return { handled: jobs, ...(await work_off(library, jobs)) }
}

async function pick_up(library, { times }) {
  const seconds = []
  let called
  const worker = await library.hire(() => called(performance.now()), { measure: 'pick_up' })
  await worker.start()
  for (let number = -UNCOUNTED; number < times; number++) {
    await sleep(100 + 200 * Math.random())
    const arrival = new Promise((resolve) => (called = resolve))
    const asked = performance.now()
    await library.add(make_messages(0, 1))
    const passed = ((await arrival) - asked) / 1000
    if (number >= 0) seconds.push(passed)
  }
  await wait_until_recorded(library)
  await worker.stop()
  return { seconds }
}

async function pace(library, { rate, seconds, way }) {
  const count = Math.round(rate * seconds)
  const instants = []
  const tally = new Tally(count, () => instants.push(performance.now() / 1000))
  const worker = await library.hire((message) => tally.note(message), { measure: 'pace', way, rate })
  // Where each message has an instant of its own, the first is due when all are queued and the worker has begun.
  const from = Date.now() + RUN_UP_MS + QUEUE_ONE_MS * count
  await fill(library, count, { way, due: ({ number }) => new Date(from + (number * 1000) / rate) })
  if (Date.now() > from) throw new Error('queueing took longer than was foreseen, so the first messages are late')
  await worker.start()
  await tally.all
  await wait_until_recorded(library)
  await worker.stop()
  tally.check()
  return { instants }
}

async function pause(library, { queued, way, rounds }) {
  await fill(library, queued)
  await library.settle()
  const rows = await library.count_writes(() => library.pauses[way].pause())
  await library.pauses[way].resume()
  const silences = []
  let last = 0
  for (let round = 0; round < rounds; round++) {
    let handled = 0
    const handle = async () => {
      last = performance.now()
      handled++
      await sleep(IN_HAND_MS)
    }
    const worker = await library.hire(handle, { measure: 'pause', way })
    await worker.start()
    while (handled < 20) await sleep(5)
    await sleep(RUN_UP_MS * (0.5 + Math.random()))
    const paused = performance.now()
    await library.pauses[way].pause(worker)
    while (performance.now() - Math.max(last, paused) < SILENT_MS) await sleep(20)
    silences.push(Math.max(last - paused, 0) / 1000)
    await worker.stop()
    await library.pauses[way].resume()
  }
  return { silences, rows }
}

const MEASURES = { drain, pick_up, pace, pause }

/** Carries out the orders with a library, which `make` makes of them. */
export async function main(make) {
  const orders = { ...JSON.parse(process.argv[2]), database_url: process.env.PEER_DATABASE_URL }
  const say = (answer, code) => process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(code))
  const fail = (error) => say({ error: error.stack ?? String(error) }, 1)
  process.on('unhandledRejection', fail)
  process.stdin.on('end', () => process.exit(1)).resume()
  setTimeout(() => fail(new Error(`not done after ${orders.timeout} s`)), orders.timeout * 1000).unref()
  try {
    const library = await make(orders)
    const answer = await MEASURES[orders.measure](library, orders)
    await library.close()
    say(answer, 0)
  } catch (error) {
    fail(error)
  }
}
