import { LocalCluster } from './local-cluster.ts'

// `npm run cluster`: the topology of docs/cluster.md on loopback, until Ctrl-C.

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop())

print('Starting PostgreSQL, two nodes and nginx ...')
const cluster = await LocalCluster.start()
const [first, second] = cluster.nodes
print(`
nginx       ${cluster.url}
node 1      ${first?.url}   process ${first?.pid}
node 2      ${second?.url}   process ${second?.pid}
PostgreSQL  ${cluster.postgres.url.replace(/postgres$/, 'depot')}   process ${cluster.postgres.pid}
files       ${cluster.folder}   logs: node1/node.log and node2/node.log

Try, in another terminal:

  export HART_DEPOT_URL=${cluster.url} HART_DEPOT_TOKEN=${cluster.adminToken}
  npm run --silent hart-depot -- origin create acme
  npm run --silent hart-depot -- view create prod
  curl -s ${first?.url}/api/v1/views/prod          # both nodes show it, as soon as the command has ended
  curl -s ${second?.url}/api/v1/views/prod
  kill -9 ${first?.pid}                                  # the other node answers; this one starts again
  kill -STOP ${cluster.postgres.pid} $(pgrep -P ${cluster.postgres.pid}); sleep 5; curl -i ${cluster.url}/api/v1/views/prod   # 503: no node may answer
  kill -CONT ${cluster.postgres.pid} $(pgrep -P ${cluster.postgres.pid})    # all nodes come back by themselves

Ctrl-C stops everything and removes the files.`)
await stopped
print('\nStopping ...')
await cluster.close()
