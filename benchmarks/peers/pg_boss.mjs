// pg-boss, version 12 or 10.
import { Database } from './database.mjs'
import { load, main } from './program.mjs'

const QUEUE = 'messages'
const LEFT = "SELECT count(*) AS value FROM pgboss.job WHERE name = $1 AND state < 'completed'"
const RECORDED = "SELECT count(*) AS value FROM pgboss.job WHERE name = $1 AND state = 'completed'"
const OPEN = "SELECT id FROM pgboss.job WHERE name = $1 AND state < 'active'"
const CANCELLED = "SELECT id FROM pgboss.job WHERE name = $1 AND state = 'cancelled'"
const POLL_SECONDS = 0.5 // the least that it takes

/** What work() is called with: the batch, how many workers take one, and whether a full batch calls for the next. */
function choose_settings({ measure, rate }) {
  if (measure === 'drain') return { batchSize: 500, workers: 4, burst: true }
  if (measure === 'pause') return { batchSize: 10, workers: 2, burst: true }
  if (measure === 'pace') return { batchSize: Math.max(Math.round(rate * POLL_SECONDS), 1), workers: 1, burst: false }
  return { batchSize: 1, workers: 1, burst: false }
}

class PgBoss {
  keeps = true

  constructor({ database_url: url, version, settings = {} }, boss, database) {
    this.url = url
    this.version = version
    this.settings = settings
    this.boss = boss
    this.database = database
    // Stopping the queue's workers concerns this process alone; cancelling concerns every one.
    this.pauses = {
      offWork: { pause: () => boss.offWork(QUEUE), resume: async () => {} },
      cancel: { pause: () => this.move('cancel', OPEN), resume: () => this.move('resume', CANCELLED) },
    }
  }

  static async open(orders) {
    const database = new Database(orders.database_url)
    const Boss = orders.version === 12 ? load('pg-boss').PgBoss : load('pg-boss-10')
    const boss = new Boss({
      connectionString: orders.database_url,
      // Over the watched connection where rows are counted.
      ...(orders.measure === 'pause' && { db: { executeSql: (text, values) => database.pool.query(text, values) } }),
      ...(orders.version === 12 && orders.measure !== 'pause' && { useListenNotify: true }),
    })
    boss.on('error', (error) => process.stderr.write(`${error.stack}\n`))
    await boss.start()
    await boss.createQueue(QUEUE, orders.version === 12 ? { notify: true, ...orders.queue } : { name: QUEUE })
    return new PgBoss(orders, boss, database)
  }

  async add(messages) {
    if (this.version === 12)
      await this.boss.insert(
        QUEUE,
        messages.map((data) => ({ data })),
      )
    else await this.boss.insert(messages.map((data) => ({ name: QUEUE, data })))
  }

  hire(handle, orders) {
    const settings = { ...choose_settings(orders), ...this.settings }
    const take = (jobs) => Promise.all(jobs.map(({ data }) => handle(data)))
    return {
      start: () => (this.version === 12 ? this.work_12(take, settings) : this.work_10(take, settings)),
      stop: () => this.boss.offWork(QUEUE, ...(this.version === 12 ? [{ wait: true }] : [])),
    }
  }

  async work_12(take, { batchSize, workers, burst }) {
    await this.boss.work(
      QUEUE,
      {
        batchSize,
        localConcurrency: workers,
        burstWhenBatchFull: burst,
        pollingIntervalSeconds: POLL_SECONDS,
        notifyPollingIntervalSeconds: POLL_SECONDS,
      },
      async (jobs) => void (await take(jobs)),
    )
  }

  /** Version 10 has no burst; its documentation lets a worker be told to skip the interval instead. */
  async work_10(take, { batchSize, workers, burst }) {
    for (let worker = 0; worker < workers; worker++) {
      const id = await this.boss.work(QUEUE, { batchSize, pollingIntervalSeconds: POLL_SECONDS }, async (jobs) => {
        await take(jobs)
        if (burst && jobs.length === batchSize) this.boss.notifyWorker(id)
      })
    }
  }

  /** Cancels or resumes what a query finds. */
  async move(action, query) {
    const { rows } = await this.database.pool.query(query, [QUEUE])
    if (rows.length)
      await this.boss[action](
        QUEUE,
        rows.map(({ id }) => id),
      )
  }

  count_left() {
    return this.database.ask(LEFT, [QUEUE])
  }

  count_recorded() {
    return this.database.ask(RECORDED, [QUEUE])
  }

  settle() {
    return this.database.settle()
  }

  count_writes(action) {
    return this.database.count_writes(action)
  }

  async close() {
    await this.boss.stop({ graceful: false, ...(this.version === 10 && { wait: false }) })
    await this.database.close()
  }
}

await main((orders) => PgBoss.open(orders))
