import type { AccountTables } from './tables/accounts.ts'
import type { ChangeTables } from './tables/changes.ts'
import type { DepotTables } from './tables/depot.ts'
import type { OriginTables } from './tables/origins.ts'
import type { ReleaseTables } from './tables/releases.ts'
import type { RetentionTables } from './tables/retention.ts'
import type { StorageTables } from './tables/storage.ts'
import type { ViewTables } from './tables/views.ts'
import type { WebhookTables } from './tables/webhooks.ts'

/**
 * The tables of `migrations/`, as Kysely sees them. The migrations explain the columns. Times are epoch
 * milliseconds, flags are 0 or 1, and lists are JSON text.
 */
export interface Schema
  extends
    AccountTables,
    OriginTables,
    ReleaseTables,
    StorageTables,
    ViewTables,
    RetentionTables,
    ChangeTables,
    WebhookTables,
    DepotTables {}
