import { html } from '@remix-run/html-template'
import type { FastifyInstance } from 'fastify'
import { readDiskSpace } from '../../../blobs/disk-space.ts'
import { findLastBackup } from '../../../depot/last-backup.ts'
import { findHead } from '../../../ledger/ledger-store.ts'
import { readVersion } from '../../../package-root.ts'
import { formatBytes } from '../../../text/columns.ts'
import { checkReadiness } from '../../operator/readiness.ts'
import type { RouteContext } from '../../requests/request.ts'
import { administratorOnly } from '../../requests/rights.ts'
import { sentence, timeAgo } from '../html/parts.ts'
import { adminContent, facts } from './frame.ts'

const version = readVersion()

/** The page that says what is wrong with the depot. Its checks are those of `/readyz`. */
export function healthPages(app: FastifyInstance, { depot }: RouteContext): void {
  app.get('/admin/health', { onRequest: administratorOnly }, async (request, reply) => {
    const { visit } = request
    const { problems } = await checkReadiness(depot)
    const disks = await readDiskSpace(depot)
    const { sequence, at } = await findHead(depot.db)
    const backup = await findLastBackup(depot.config)
    return reply.page(
      adminContent(visit, {
        title: 'Health',
        main: html`${
          problems.length === 0
            ? html`<p class="notice good">All is well.</p>`
            : problems.map(({ detail }) => html`<p class="notice bad" role="alert">${sentence(detail)}</p>`)
        }
${facts([
  ['Version', version],
  ['Last change', sequence === 0 ? 'none yet' : html`${timeAgo(visit, at)}, entry ${sequence} of the ledger`],
  ['Last backup', backup === undefined ? 'none that this depot knows of' : timeAgo(visit, backup)],
  ['Disk of the database', spaceText(disks.database)],
  ['Disk of packages', spaceText(disks.packages)],
])}
<p class="hint"><code>hart-depot doctor</code> on the host also looks at settings, secrets and files.</p>`,
      }),
    )
  })
}

function spaceText({ freeBytes, reserveBytes }: { freeBytes: number; reserveBytes: number }): string {
  return `${formatBytes(freeBytes)} free; uploads leave ${formatBytes(reserveBytes)} of it`
}
