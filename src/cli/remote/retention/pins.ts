import { readFile } from 'node:fs/promises'
import type { DepotClient } from '../../../client/client.ts'
import { counted } from '../../../text/counted.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { printable } from '../../../text/columns.ts'
import { pathOf } from '../../io.ts'
import { splitMoment } from '../arguments.ts'
import { connect, connectToChange, remoteOptions } from '../connect.ts'

// Commands for pinned revisions and registered lockfiles, whose releases the depot does not delete.

const PINNED = 'the revision, as VIEW@REVISION'

export const pin: Define = (command, io) =>
  remoteOptions(command)
    .argument('<revision>', `${PINNED}; VIEW alone is its present revision`)
    .requiredOption('--reason <text>', 'why; a refused deletion names it')
    .addHelpText(
      'after',
      examples([
        ['pin delivered@41 --reason "the release of the fair"', 'keep the releases of an earlier revision'],
        ['pin delivered --reason "before the migration"', 'keep the releases of the present revision'],
      ]),
    )
    .action(async (given, { reason, ...options }) => {
      const { depot, out } = connectToChange(io, options)
      const { view, at } = splitMoment(given)
      const revision =
        at === undefined ? (await depot.getView({ view })).revision : await revisionOf(depot, given)
      const pinned = await depot.pinRevision({ view, revision, body: { reason } })
      const { deleted } = pinned
      if (deleted > 0) out.note(`Deleted before: ${counted(deleted, 'release')} of this revision.`)
      out.show(pinned, {
        whole: () =>
          `${view}@${revision} is ${pinned.changed ? 'now' : 'still'} pinned: ${printable(reason)}`,
      })
    })

export const unpin: Define = (command, io) =>
  remoteOptions(command)
    .argument('<revision>', PINNED)
    .addHelpText(
      'after',
      examples([
        ['unpin delivered@41', 'allow the depot to delete the releases of a revision again'],
        ['unpin delivered@41 --quiet', 'print nothing'],
      ]),
    )
    .action(async (given, options) => {
      const { depot, out } = connectToChange(io, options)
      const { view } = splitMoment(given)
      const revision = await revisionOf(depot, given)
      await depot.unpinRevision({ view, revision })
      out.show({ view, revision }, { whole: () => `${view}@${revision} is not pinned any more.` })
    })

export const pins: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['pins', 'list the pinned revisions with their reasons'],
        ['pins --quiet', 'print only VIEW@REVISION'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const list = await depot.listPins()
      out.show(list.pins, {
        whole: () =>
          out.table(
            ['PINNED', 'REASON', 'BY', 'SINCE'],
            list.pins.map(({ view, revision, reason, by, since }) => [
              `${view}@${revision}`,
              reason,
              by ?? '',
              since,
            ]),
          ),
        brief: () => list.pins.map(({ view, revision }) => `${view}@${revision}`),
      })
    })

export const lockfileRegister: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'a name for the lockfile')
    .argument('<file>', 'the lockfile')
    .addHelpText(
      'after',
      examples([
        ['lockfile register fair-2026 delivered.lock', 'keep everything that a lockfile lists'],
        [
          'lockfile register plant-7 /tmp/plant-7.lock',
          'register a lockfile of another depot, whose key this one trusts',
        ],
      ]),
    )
    .action(async (name, file, options) => {
      const { depot, out } = connectToChange(io, options)
      const text = await readFile(pathOf(io, file), 'utf8')
      const registered = await depot.registerLockfile({ name, body: text })
      out.show(registered, {
        whole: () => `The lockfile ${name} keeps ${counted(registered.releases, 'release')}.`,
      })
    })

export const lockfileUnregister: Define = (command, io) =>
  remoteOptions(command)
    .argument('<name>', 'the name of the lockfile')
    .addHelpText(
      'after',
      examples([
        ['lockfile unregister fair-2026', 'allow the depot to delete its releases again'],
        ['lockfile unregister fair-2026 --quiet', 'print nothing'],
      ]),
    )
    .action(async (name, options) => {
      const { depot, out } = connectToChange(io, options)
      await depot.unregisterLockfile({ name })
      out.show({ name }, { whole: () => `The lockfile ${name} keeps nothing any more.` })
    })

export const lockfileList: Define = (command, io) =>
  remoteOptions(command)
    .addHelpText(
      'after',
      examples([
        ['lockfile list', 'list the registered lockfiles'],
        ['lockfile list --quiet', 'print only their names'],
      ]),
    )
    .action(async (options) => {
      const { depot, out } = connect(io, options)
      const { lockfiles } = await depot.listLockfiles()
      out.show(lockfiles, {
        whole: () =>
          out.table(
            ['LOCKFILE', 'OF', 'RELEASES', 'BY', 'SINCE'],
            lockfiles.map(({ name, view, revision, releases, by, since }) => [
              name,
              `${view}@${revision}`,
              String(releases),
              by ?? '',
              since,
            ]),
          ),
        brief: () => lockfiles.map(({ name }) => name),
      })
    })

/**
 * Returns the number of a revision that is given as VIEW@REVISION, or with the revision's ID. Throws a {@link
 * UsageError} for anything else, and what the depot answers to an ID of another history.
 */
async function revisionOf(depot: DepotClient, given: string): Promise<number> {
  const { view, at = '' } = splitMoment(given)
  const [, number, mark] = /^(\d+)(-[0-9a-f]+)?$/.exec(at) ?? []
  if (number === undefined || /^\d{4}-\d\d-/.test(at))
    throw new UsageError(`a revision is VIEW@REVISION, such as delivered@41, not ${JSON.stringify(given)}`)
  // The depot refuses the ID of a revision of another history.
  return mark === undefined ? Number(number) : (await depot.listContent({ view, at, limit: 1 })).revision
}
