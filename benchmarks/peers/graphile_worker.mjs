// graphile-worker, with and without its batching.
import { Database } from './database.mjs'
import { load, main } from './program.mjs'

const TASK = 'message'
const FLAG = 'campaign'
const LEFT = 'SELECT count(*) AS value FROM graphile_worker._private_jobs'
const BATCHED = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
const report = (error) => process.stderr.write(`${error.stack}\n`)
const SILENT = () => () => {}

class GraphileWorker {
  keeps = false // a job that succeeded is deleted

  constructor({ database_url: url, batched, settings = {} }, database) {
    this.library = load('graphile-worker')
    this.logger = new this.library.Logger(SILENT)
    this.pool = new (load('pg').Pool)({ connectionString: url, max: 26, idleTimeoutMillis: 0 })
    this.pool.on('error', report)
    this.pool.on('connect', (client) => client.on('error', report))
    this.database = database
    this.batched = batched
    this.settings = settings
    this.is_paused = false
    // Asked before each job is fetched, so it concerns this process alone and writes nothing.
    this.pauses = {
      forbiddenFlags: {
        pause: async () => void (this.is_paused = true),
        resume: async () => void (this.is_paused = false),
      },
    }
  }

  static async open(orders) {
    const worker = new GraphileWorker(orders, new Database(orders.database_url))
    worker.utils = await worker.library.makeWorkerUtils({ pgPool: worker.pool, logger: worker.logger })
    await worker.utils.migrate()
    return worker
  }

  /** With a timetable, each message has an instant of its own. */
  async add(messages, timetable) {
    const specs = messages.map((payload) => ({
      identifier: TASK,
      payload,
      ...(timetable && { runAt: timetable.due(payload) }),
      ...(this.flagged && { flags: [FLAG] }),
    }))
    await this.utils.addJobs(specs)
  }

  hire(handle, { measure, rate }) {
    const is_batched = this.batched && measure !== 'pause'
    const options = {
      preset: {
        worker: {
          concurrentJobs: measure === 'pause' ? 20 : 24,
          maxPoolSize: 25,
          ...(is_batched && BATCHED),
          ...(measure === 'pace' && { pollInterval: Math.max(500 / rate, 5) }),
          ...this.settings,
        },
      },
      pgPool: this.pool,
      logger: this.logger,
      noHandleSignals: true,
      taskList: { [TASK]: handle },
      ...(measure === 'pause' && { forbiddenFlags: () => (this.is_paused ? [FLAG] : []) }),
    }
    let runner
    return {
      start: async () => void (runner = await this.library.run(options)),
      stop: () => runner.stop(),
    }
  }

  count_left() {
    return this.database.ask(LEFT)
  }

  async count_recorded() {
    return 0
  }

  settle() {
    return this.database.settle()
  }

  count_writes(action) {
    return this.database.count_writes(action)
  }

  async close() {
    await this.utils.release()
    await this.pool.end()
    await this.database.close()
  }
}

await main(async (orders) => {
  const worker = await GraphileWorker.open(orders)
  worker.flagged = orders.measure === 'pause'
  return worker
})
