import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { TAP } from 'tap'
import { CLONE, blocksOf, readDocument, standIns } from './document.ts'
import { follow, succeeds } from './follow-document.ts'

/** `npm run test:pipeline` runs their commands. */
const NEEDS_SHELLCHECK = ['docs/pipeline.md']

/** The pages whose names begin with one of these letters, or with one between them. */
interface Part {
  readonly first: string
  readonly last: string
}

/** Lists the pages in docs/, as paths from the root of the clone. */
export async function listPages(): Promise<string[]> {
  const names = (await readdir(join(CLONE, 'docs'))).filter((name) => name.endsWith('.md'))
  return names.toSorted().map((name) => `docs/${name}`)
}

export function isIn(page: string, { first, last }: Part): boolean {
  const letter = basename(page).slice(0, 1).toLowerCase()
  return first <= letter && letter <= last
}

/** Tests the commands of pages, so that several files can share the pages. `tap` is that of the file. */
export async function testCommandsOf(tap: TAP, part: Part): Promise<void> {
  const { PATH = '' } = process.env
  const programs = await standIns(tap)
  for (const page of (await listPages()).filter((one) => isIn(one, part))) {
    const blocks = blocksOf(await readDocument(page))
    const hasCommands = blocks.some(({ language, notRun }) => language === 'sh' && notRun === undefined)
    if (!hasCommands || NEEDS_SHELLCHECK.includes(page)) continue
    void tap.test(`the commands of ${page} work as they are written`, async (t) =>
      succeeds(t, await follow(t, page, `${PATH}:${programs}`)),
    )
  }
}
