import pino from 'pino'
import { readConfig } from '../../src/config.ts'
import { openDepot } from '../../src/depot.ts'
import { buildServer } from '../../src/http/server.ts'
import { serve } from './process.ts'

// The depot, as it runs by default, but for how many workers the environment says. `depot.ts DATA TOKEN`: its data folder, and the
// administrator's token.

const [dataFolder = '', token = ''] = process.argv.slice(2)
const { DEPOT_WORKERS } = process.env
const config = readConfig({ ...(DEPOT_WORKERS !== undefined && { DEPOT_WORKERS }), DEPOT_DATA: dataFolder, DEPOT_LISTEN: '127.0.0.1:0', DEPOT_ADMIN_TOKEN: token })
const depot = await openDepot(config, { log: pino({ level: config.logLevel }) })
const app = await buildServer(depot)
const url = await app.listen({ host: config.host, port: config.port })
serve(Number(new URL(url).port), async () => {
  await app.close()
  await depot.close()
})
