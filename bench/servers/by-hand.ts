import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openByHand } from '../yardsticks/by-hand.ts'
import { serve } from './process.ts'

// The yardstick of promotions over HTTP: node:http in front of the transaction of by-hand.ts. `by-hand.ts
// FILE` takes a copy of a depot's database. It knows the URL of a promotion and nothing else: no rights,
// rules, log, metrics or memory that follows the ledger.

const PROMOTION = /^\/v1\/depot\/views\/[^/]+\/pkgs\/(.+)\/promote\?/

const [file = ''] = process.argv.slice(2)
const hand = openByHand(file)
const server = createServer((request, response) => {
  const [, ident] = PROMOTION.exec(request.url ?? '') ?? []
  if (ident === undefined) {
    response.writeHead(404).end()
    return
  }
  const set = [{ ident, target: 'x86_64-linux' }] as const
  if (!hand.isCurrent(set[0])) hand.promote(set)
  response.writeHead(200, { 'content-length': 0 }).end()
})

server.listen(0, '127.0.0.1', () => {
  serve((server.address() as AddressInfo).port, async () => {
    server.close()
    server.closeAllConnections()
    hand[Symbol.dispose]()
  })
})
