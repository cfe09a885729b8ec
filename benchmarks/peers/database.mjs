// What a library on PostgreSQL is asked from beside it, over a connection of its own.
import { load } from './program.mjs'

const WRITTEN = 'SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint AS value FROM pg_stat_user_tables'

/** One connection that nobody else uses. */
export class Database {
  constructor(url, options = {}) {
    this.pool = new (load('pg').Pool)({ connectionString: url, max: 1, ...options })
  }

  async ask(text, values) {
    return Number((await this.pool.query(text, values)).rows[0].value)
  }

  /** After messages were queued: as it is some minutes later, with statistics and without a checkpoint to come. */
  async settle() {
    await this.pool.query('VACUUM (ANALYZE)')
    await this.pool.query('CHECKPOINT')
  }

  /** The rows that were written over this connection meanwhile. */
  async count_writes(action) {
    const count = async () => {
      await this.pool.query('SELECT pg_stat_force_next_flush()')
      return this.ask(WRITTEN)
    }
    const before = await count()
    await action()
    return (await count()) - before
  }

  async close() {
    await this.pool.end()
  }
}
