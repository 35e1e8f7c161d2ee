import { listDenials } from '../../../accounts/denial-store.ts'
import { formatTime } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { Output, outputOptions } from '../../output.ts'
import { timeOf } from '../../remote/arguments.ts'
import { readLocalConfig } from '../data-folder.ts'
import { readDepot } from '../read-depot.ts'

export const denials: Define = (command, io) =>
  outputOptions(command)
    .option('--since <period-or-time>', 'only since then, for example 2h, 7d or 2026-01-02T08:00:00Z')
    .option('--account <name>', 'only those of this account')
    .addHelpText(
      'after',
      `${examples([
        ['denials --since 2h', 'list who was refused what in the last two hours'],
        ['denials --account ci --json', 'print the refusals of an account as JSON'],
      ])}

Lists changes and administration that were refused for want of rights, newest first. Requests of one account or network to one route within
ten seconds share a line. Changes that were made are in the ledger: hart-depot events.`,
    )
    .action(async ({ since, account, ...options }) => {
      const from = since === undefined ? 0 : Date.parse(timeOf(since, '--since', { now: io.now(), sign: -1 }))
      const found = await readDepot(readLocalConfig(io), (db) => listDenials(db, { since: from, account }))
      const out = new Output(io, options)
      out.show(
        {
          denials: found.map(({ firstAt, lastAt, tokenId, ...denial }) => ({
            ...denial,
            token: tokenId,
            first_at: formatTime(firstAt),
            last_at: formatTime(lastAt),
          })),
        },
        {
          whole: () =>
            found.length === 0
              ? 'nothing was refused'
              : out.table(
                  ['LAST', 'REQUESTS', 'ACCOUNT', 'TOKEN', 'FROM', 'CODE', 'REQUEST'],
                  found.map(({ lastAt, requests, account: name, tokenId, network, code, method, path }) => [
                    formatTime(lastAt),
                    String(requests),
                    name ?? '-',
                    String(tokenId ?? '-'),
                    network ?? 'others',
                    code,
                    `${method} ${path}`,
                  ]),
                ),
        },
      )
    })
