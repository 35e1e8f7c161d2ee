import pino from 'pino'
import { readConfig } from '../../src/config/config.ts'
import { openDepot } from '../../src/depot/open.ts'
import { openLogTo } from '../../src/log.ts'
import { buildServer } from '../../src/http/server.ts'
import { Workers, listen } from '../../src/http/workers.ts'
import { tuneForStart, tuneForRequests } from '../../src/cli/local/server/tune-v8.ts'
import { serve } from './process.ts'

// The depot with its default settings, except the number of workers, upstream, the mirror, S3 and the database,
// which come from the environment. Its log is written, but thrown away. `depot.ts DATA TOKEN` takes the data folder and the
// administrator's token. SIGUSR2 starts the background work, such as the scrub.

tuneForStart() // as `serve` does
const [dataFolder = '', token = ''] = process.argv.slice(2)
const {
  DEPOT_WORKERS,
  DEPOT_UPSTREAM,
  DEPOT_UPSTREAM_ORIGINS,
  DEPOT_UPSTREAM_REFRESH,
  DEPOT_MIRROR,
  DEPOT_MIRROR_RATE,
  DEPOT_BLOBS,
  DEPOT_S3_ENDPOINT,
  DEPOT_S3_PATH_STYLE,
  DEPOT_DATABASE_URL,
  DEPOT_SECRET_KEY,
} = process.env
const config = readConfig({
  ...(DEPOT_WORKERS !== undefined && { DEPOT_WORKERS, DEPOT_LOG_LEVEL: 'warn' }),
  ...(DEPOT_UPSTREAM !== undefined && { DEPOT_UPSTREAM, DEPOT_UPSTREAM_ORIGINS }),
  ...(DEPOT_MIRROR !== undefined && { DEPOT_UPSTREAM_REFRESH, DEPOT_MIRROR, DEPOT_MIRROR_RATE }),
  ...(DEPOT_BLOBS !== undefined && { DEPOT_BLOBS, DEPOT_S3_ENDPOINT, DEPOT_S3_PATH_STYLE }),
  ...(DEPOT_DATABASE_URL !== undefined && { DEPOT_DATABASE_URL, DEPOT_SECRET_KEY }),
  DEPOT_DATA: dataFolder,
  DEPOT_LISTEN: '127.0.0.1:0',
  DEPOT_ADMIN_TOKEN: token,
})
const depot = await openDepot(config, {
  log: openLogTo(config.logLevel, pino.destination({ dest: '/dev/null', sync: true })),
})
const workers = config.workers > 1 ? new Workers(depot, config.workers - 1) : undefined
const app = await buildServer(depot, { ...(workers && { workers }) })
await depot.joinNodes()
const port = await listen(app, config, workers)
tuneForRequests()
process.on('SIGUSR2', () => depot.upkeep?.start(0))
serve(port, async () => {
  await app.close()
  await depot.close()
})
