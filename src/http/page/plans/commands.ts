import type { ReleaseName } from '../../../package/ident.ts'
import type { StoredPlan } from '../../../revisions/stored-plan.ts'
import type { Moment } from '../../../views/change-request.ts'
import { shellQuote, shellWord } from '../../../text/shell-quote.ts'

/** The maximum number of releases that a command on the page lists. */
const SHOWN_RELEASES = 20

/** Returns the command that plans the same change. */
export function commandOf({ request, view }: StoredPlan): string {
  const reason = request.reason === undefined ? '' : ` --reason ${shellQuote(request.reason)}`
  return `hart-depot ${request.act} ${view} ${argumentsOf(request)}${reason}`
}

function argumentsOf(request: StoredPlan['request']): string {
  switch (request.act) {
    case 'promote':
    case 'demote': {
      const { source } = request
      const deps = request.act === 'promote' && request.withDeps === true ? ' --with-deps' : ''
      if ('from' in source)
        return `--from ${source.from}${source.at === undefined ? '' : `@${momentText(source.at)}`}${filter(source)}${deps}`
      if ('lockfile' in source) return '--lockfile FILE'
      const idents = source.releases.map(({ ident }) => ident)
      const others = idents.length > SHOWN_RELEASES ? ' …' : ''
      return `${idents.slice(0, SHOWN_RELEASES).map(shellWord).join(' ')}${others}${targetOption(source.releases)}${deps}`
    }
    case 'rollback':
      return `--to ${momentText(request.to)}${filter(request.only ?? {})}`
    case 'revert':
      return `${request.revision}${filter(request.only ?? {})}`
    case 'set-rule':
      return request.rule
    default:
      return request satisfies never
  }
}

/** The command takes one target for all releases. */
function targetOption(releases: readonly ReleaseName[]): string {
  const [target, ...others] = new Set(releases.map((release) => release.target))
  return target === undefined || others.length > 0 ? '' : ` --target ${target}`
}

function filter({ origin, name }: { origin?: string; name?: string }): string {
  return `${origin === undefined ? '' : ` --origin ${origin}`}${name === undefined ? '' : ` --name ${name}`}`
}

function momentText(moment: Moment): string {
  return 'revision' in moment ? String(moment.revision) : new Date(moment.time).toISOString()
}
