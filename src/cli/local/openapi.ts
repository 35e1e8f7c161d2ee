import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { readConfig } from '../../config/config.ts'
import { openDepot } from '../../depot/open.ts'
import { buildServer } from '../../http/server.ts'
import { withCodes } from '../../http/operator/errors-page.ts'
import { PACKAGE_ROOT } from '../../package-root.ts'
import { examples } from '../command.ts'
import type { Define } from '../command.ts'

const FILE = join(PACKAGE_ROOT, 'openapi.yaml')
const ERRORS_PAGE = join(PACKAGE_ROOT, 'docs/errors.md')

export const openapi: Define = (command, io) =>
  command
    .option(
      '--write',
      'write it to openapi.yaml in the source folder, and the table of codes to docs/errors.md',
    )
    .addHelpText(
      'after',
      examples([
        ['openapi > openapi.yaml', 'write the description of the API to a file'],
        ['openapi --write', 'write it where the sources keep it'],
      ]),
    )
    .action(async ({ write = false }) => {
      const document = await describeDepot()
      if (write) {
        await writeFile(FILE, document)
        await writeFile(ERRORS_PAGE, withCodes(await readFile(ERRORS_PAGE, 'utf8')))
      } else io.stdout.write(document)
    })

/** Generates the document from the routes of a server on a temporary depot. */
export async function describeDepot(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-openapi-'))
  try {
    const depot = await openDepot(readConfig({ DEPOT_DATA: folder }), {
      log: pino({ level: 'silent' }),
      inProcess: true,
    })
    try {
      const app = await buildServer(depot)
      const { payload: document } = await app.inject('/openapi.yaml')
      await app.close()
      return document
    } finally {
      await depot.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
