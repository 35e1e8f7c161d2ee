import type { DepotClient } from '../../../client/client.ts'
import { RequestRefused } from '../../../client/errors.ts'
import type { GetReleaseInput, Latest, Release, Why } from '../../../client/operations.ts'
import { parseIdent } from '../../../package/ident.ts'
import { printable, wholeSeconds } from '../../../text/columns.ts'
import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { UsageError } from '../../exit-codes.ts'
import { connect, remoteOptions } from '../connect.ts'
import type { Connected } from '../connect.ts'

export const IDENT = 'a full ident, origin/name/version/release'
/** What {@link findRelease} accepts. */
export const PARTIAL_IDENT = 'origin/name[/version[/release]]; a partial one is the newest release'
export const TARGET = 'the target, for example x86_64-linux; the default is the usual or the only one'

export const show: Define = (command, io) =>
  remoteOptions(command)
    .argument('<ident>', PARTIAL_IDENT)
    .option('--target <target>', TARGET)
    .addHelpText(
      'after',
      examples([
        [
          'show acme/app/1.2.0/20260101120000',
          'show a release: who published it, its checksum and dependencies',
        ],
        ['show acme/app --json', 'print everything that the depot knows of the newest release'],
      ]),
    )
    .action(async (ident, options) => {
      const { depot, out } = connect(io, options)
      const release = await depot.getRelease(await findRelease({ depot, out }, ident, options.target))
      const { views, deps, ...more } = release
      const rows = [
        ['target', more.target],
        ['published', `${more.published_at} by ${more.publisher}`],
        ...(more.source === null ? [] : [['source', more.source]]),
        [
          'signed by',
          more.announced
            ? 'unknown until the package is fetched: upstream has only announced it'
            : `${more.signer}${more.signature === 'verified' ? '' : ', which this depot does not know'}`,
        ],
        ['checksum', more.checksum],
        ['size', `${more.size_bytes} bytes`],
        ['visibility', more.visibility],
        ['dependencies', deps.length === 0 ? 'none' : deps.join(' ')],
        ...noticeRows(release),
        ['views', views.length === 0 ? 'none' : views.map(({ view }) => view).join(' ')],
      ]
      out.show(release, {
        whole: () => out.table(['RELEASE', release.ident], rows),
        brief: () => [release.ident],
      })
    })

/** Returns a row for each mark of a release. */
function noticeRows({ yank, deprecation, hold }: Release): string[][] {
  const marks = { yanked: yank, deprecated: deprecation, held: hold }
  return Object.entries(marks).flatMap(([mark, notice]) =>
    notice === null
      ? []
      : [[mark, `${notice.since} by ${notice.by ?? 'the shell'}: ${printable(notice.reason)}`]],
  )
}

export const search: Define = (command, io) =>
  remoteOptions(command)
    .argument(
      '<words...>',
      'parts of origin/name, and origin:, name:, version:, target:, signed-by: or in: with a value; version:7.* is a beginning',
    )
    .option('--view <view>', 'only packages that this view contains')
    .addHelpText(
      'after',
      examples([
        ['search redis version:7.*', 'find packages by a part of their names, and by versions'],
        ['search signed-by:acme-* in:delivered --quiet', 'print the names of packages that a view contains'],
      ]),
    )
    .action(async (words, options) => {
      const { depot, out } = connect(io, options)
      const { view = depot.view } = options
      const found = await Array.fromAsync(
        depot.each('searchPackages', { q: words.join(' '), ...(view !== undefined && { view }) }),
      )
      if (found.length === 0) out.note('No package matches.')
      out.show(found, {
        whole: () =>
          found.length === 0
            ? ''
            : out.table(
                ['PACKAGE', 'TARGETS', 'YANKED', 'DEPRECATED'],
                found.map(({ package: name, targets, yanked_releases, deprecated_releases }) => [
                  name,
                  targets.join(' '),
                  yanked_releases === 0 ? '' : String(yanked_releases),
                  deprecated_releases === 0 ? '' : String(deprecated_releases),
                ]),
              ),
        brief: () => found.map(({ package: name }) => name),
      })
    })

export const where: Define = (command, io) =>
  remoteOptions(command)
    .argument('<ident>', IDENT)
    .option('--target <target>', TARGET)
    .option('--past', 'also views that contained the release earlier')
    .addHelpText(
      'after',
      examples([
        [
          'where acme/app/1.2.0/20260101120000',
          'list the views that contain a release, since when and by whom',
        ],
        ['where acme/app/1.2.0/20260101120000 --past', 'list past memberships, too'],
      ]),
    )
    .action(async (ident, options) => {
      const { depot, out } = connect(io, options)
      const all = await Array.fromAsync(depot.each('listViewsOfRelease', releaseOf(ident, options.target)))
      const wanted = options.past === true ? all : all.filter(({ until }) => until === null)
      const places = await Promise.all(
        wanted.map(async (place) => {
          const { actor, reason } = await depot.getRevision({
            view: place.view,
            revision: String(place.from_revision),
          })
          return { ...place, actor, reason }
        }),
      )
      if (places.length === 0) out.note(`No view contains ${ident}.`)
      out.show(places, {
        whole: () =>
          places.length === 0
            ? ''
            : out.table(
                ['VIEW', 'REVISION', 'SINCE', 'UNTIL', 'BY', 'REASON'],
                places.map(({ view, from_revision, since, until, actor, reason }) => [
                  view,
                  String(from_revision),
                  since,
                  until ?? '',
                  actor ?? '',
                  reason ?? '',
                ]),
              ),
        brief: () => places.map(({ view }) => view),
      })
    })

export const why: Define = (command, io) =>
  remoteOptions(command)
    .argument('<ident>', PARTIAL_IDENT)
    .option('--target <target>', TARGET)
    .addHelpText(
      'after',
      examples([
        ['why acme/lib/1.2.0/20260101120000', 'show what needs a release, and what keeps it'],
        ['why acme/lib/1.2.0/20260101120000 --quiet', 'print only the views that keep it from being deleted'],
      ]),
    )
    .action(async (ident, options) => {
      const { depot, out } = connect(io, options)
      const found = await depot.explainRelease(await findRelease({ depot, out }, ident, options.target))
      out.show(found, {
        whole: () => whyText(found),
        brief: () => found.views.filter(({ keeps }) => keeps).map(({ view }) => view),
      })
    })

/** Says what needs a release, and what keeps it from being deleted. */
export function whyText({ ident, kept_by: keptBy, views, proposals, dependents, ...more }: Why): string {
  const keeping =
    keptBy.length === 0
      ? [`${ident} can be deleted.`]
      : [`${ident} cannot be deleted:`, ...keptBy.map(({ detail }) => `  ${detail}`)]
  const places = views.flatMap((place) => [
    `${place.view}${place.preview ? ' (a preview)' : ''}: ${place.latest ? 'latest' : 'a member'} since revision ${place.since_revision}, ${wholeSeconds(place.since)}`,
    ...place.needed_by.map((chain) => `  ${chain.join(' → ')}`),
    ...(place.needed_by_hidden ? ['  releases that you may not see need it, too'] : []),
  ])
  const asked = proposals.map(
    ({ plan, view, act, account }) =>
      `proposal ${plan}: ${act} in ${view}${account === null ? '' : `, by ${account}`}`,
  )
  const needed = [
    ...dependents.map((dependent) => `needed by ${dependent.ident}`),
    ...(more.more_dependents ? ['and by more'] : []),
  ]
  const kept = [
    ...(more.reasons.length === 0 ? [] : ['Kept by:']),
    ...more.reasons.map(({ chain }) => `  ${chain.join(' → ')}`),
    ...(more.more_reasons ? ['  and more'] : []),
    ...(more.hidden_reasons ? ['  and by what you may not see'] : []),
  ]
  return [keeping, places, asked, needed, kept]
    .filter((part) => part.length > 0)
    .map((part) => part.join('\n'))
    .join('\n\n')
}

/** The view that contains every release. */
const ALL_RELEASES = 'unstable'

/**
 * Finds the release of an ident. If the ident has no release or no version, finds the highest release that it
 * matches, and prints a note that names it. If the URL of a view was given, looks only in that view. Throws a
 * UsageError, and RequestRefused if nothing matches.
 */
export async function findRelease(
  { depot, out }: Pick<Connected, 'depot' | 'out'>,
  ident: string,
  target: string | undefined,
): Promise<GetReleaseInput> {
  const [origin = '', name, version, release] = ident.split('/')
  if (name === undefined || release !== undefined) return releaseOf(ident, target)
  const asked = releaseOf(`${origin}/${name}/${version ?? '0'}/0`, target) // checks the parts
  const latest = await findLatest(depot, { origin, name, version }, asked.target)
  out.note(`${ident} is ${latest.ident}, the newest release for ${latest.target}.`)
  return releaseOf(latest.ident, latest.target)
}

/**
 * Finds the highest release. If the URL of a view was given, looks only in that view. Without a target, finds
 * the one for the usual target. If there is none, and no view was given, finds the highest of all targets.
 */
async function findLatest(
  depot: DepotClient,
  { origin, name, version }: { origin: string; name: string; version: string | undefined },
  target: NonNullable<GetReleaseInput['target']> | undefined,
): Promise<Pick<Latest, 'ident' | 'target'>> {
  const asked = { view: depot.view ?? ALL_RELEASES, origin, name, ...(target !== undefined && { target }) }
  try {
    return version === undefined
      ? await depot.getLatest(asked)
      : await depot.getLatestOfVersion({ ...asked, version })
  } catch (error) {
    const isOnlyForOthers = target === undefined && depot.view === undefined
    if (!isOnlyForOthers || !(error instanceof RequestRefused) || error.status !== 404) throw error
    const wanted = { origin, name, ...(version !== undefined && { version }) }
    const [highest] = (await depot.listReleases({ ...wanted, limit: 1 })).releases
    if (highest === undefined) throw error
    return highest
  }
}

/** Parses an ident and a target. Throws a UsageError. */
export function releaseOf(ident: string, target: string | undefined): GetReleaseInput {
  try {
    const { origin, name, version, release } = parseIdent(ident)
    return {
      origin,
      name,
      version,
      release,
      // The depot says which targets there are.
      ...(target !== undefined && { target: target as NonNullable<GetReleaseInput['target']> }),
    }
  } catch (error) {
    throw error instanceof Error ? new UsageError(error.message) : error
  }
}
