// BullMQ, on Redis or on PostgreSQL.
import { Database } from './database.mjs'
import { load, main } from './program.mjs'

const QUEUE = 'messages'
const OPEN_STATES = ['waiting', 'active', 'delayed', 'prioritized', 'paused']
const CHANGES = /rdb_changes_since_last_save:(\d+)/
const report = (error) => process.stderr.write(`${error.stack}\n`)

/** The limiter's options, by its way: as many a second, or one a slot. */
const LIMITERS = {
  per_second: (rate) => ({ max: rate, duration: 1000 }),
  per_slot: (rate) => ({ max: 1, duration: Math.round(1000 / rate) }),
}

/** What differs where the messages are in Redis. */
class OnRedis {
  factory = []

  constructor({ redis_socket: path }) {
    this.path = path
  }

  async open() {
    this.client = new (load('ioredis'))({ path: this.path })
    return this.client
  }

  get worker_connection() {
    return { path: this.path, maxRetriesPerRequest: null }
  }

  async settle() {}

  async count_writes(action) {
    const count = async () => Number(CHANGES.exec(await this.client.info('persistence'))[1])
    const before = await count()
    await action()
    return (await count()) - before
  }

  async close() {
    await this.client.quit()
  }
}

/** What differs where they are in PostgreSQL. */
class OnPostgres {
  constructor({ database_url: url }, { createPostgresBackend, runMigrations }) {
    this.url = url
    this.factory = [createPostgresBackend]
    this.migrate = runMigrations
    this.database = new Database(url, { options: '-c search_path=bullmq' })
  }

  async open() {
    const client = await this.database.pool.connect()
    await this.migrate(client)
    client.release()
    return this.database.pool
  }

  get worker_connection() {
    return { connectionString: this.url, max: 20 }
  }

  settle() {
    return this.database.settle()
  }

  count_writes(action) {
    return this.database.count_writes(action)
  }

  close() {
    return this.database.close()
  }
}

class BullMQ {
  keeps = false // see removeOnComplete

  constructor({ settings = {} }, library, place, connection) {
    this.library = library
    this.place = place
    this.settings = settings
    this.queue = new library.Queue(QUEUE, { connection }, ...place.factory)
    this.queue.on('error', report)
    this.pauses = { pause: { pause: () => this.queue.pause(), resume: () => this.queue.resume() } }
  }

  static async open(orders) {
    const library = load('bullmq')
    const place = orders.redis_socket ? new OnRedis(orders) : new OnPostgres(orders, library)
    const bullmq = new BullMQ(orders, library, place, await place.open())
    await bullmq.queue.waitUntilReady()
    return bullmq
  }

  async add(messages) {
    await this.queue.addBulk(messages.map((data) => ({ name: 'message', data })))
  }

  async hire(handle, { measure, way, rate }) {
    const worker = new this.library.Worker(
      QUEUE,
      async ({ data }) => void (await handle(data)),
      {
        connection: this.place.worker_connection,
        autorun: false,
        concurrency: measure === 'pause' ? 20 : 50,
        removeOnComplete: { count: 0 },
        ...(measure === 'pace' && { limiter: LIMITERS[way](rate) }),
        ...this.settings,
      },
      ...this.place.factory,
    )
    worker.on('error', report)
    await worker.waitUntilReady()
    return {
      start: async () => void worker.run().catch(report),
      stop: () => worker.close(),
    }
  }

  async count_left() {
    return this.queue.getJobCountByTypes(...OPEN_STATES)
  }

  count_recorded() {
    return this.queue.getCompletedCount()
  }

  settle() {
    return this.place.settle()
  }

  count_writes(action) {
    return this.place.count_writes(action)
  }

  async close() {
    await this.queue.close()
    await this.place.close()
  }
}

await main((orders) => BullMQ.open(orders))
