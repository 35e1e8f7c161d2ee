import type { Event } from '../client/client.ts'
import { originOf, releaseKey } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { UNSTABLE } from '../views/view.ts'

/** What some entries of the ledger change in the pointers of a view. */
export interface ViewChanges {
  /** The last of the revisions. */
  revision: number
  /** The new `latest` by line, the last one if it moved several times. `undefined` means no release. */
  readonly moves: Map<string, ReleaseMove>
  /** The releases that joined or left, by key: their versions may have another `latest`. */
  readonly touched: Map<string, ReleaseName>
  /** The packages that came to have a `latest` or lost it. Without one, no version of them has any. */
  readonly packages: Set<string>
  /** Whether all pointers must be read again. */
  isWhole: boolean
}

export interface ReleaseMove {
  readonly revision: number
  readonly package: string
  readonly target: ReleaseName['target']
  readonly to: string | undefined
}

/** What some entries of the ledger change in the public answers. */
export interface Changes {
  /** Whether everything must be written again, because the depot was restored from an older copy. */
  isRestored: boolean
  /** Whether an entry is hidden. A release may have become private. */
  hasHidden: boolean
  /** The views that were closed. */
  readonly closed: Set<string>
  readonly views: Map<string, ViewChanges>
  /** The releases whose bodies have changed, by key. */
  readonly bodies: Map<string, ReleaseName>
  /** The releases because of which `latest` may have changed in any view, by key. */
  readonly everywhere: Map<string, ReleaseName>
  /** The origins whose lists of channels may have changed. */
  readonly origins: Set<string>
  /** The origins whose public keys may have changed. */
  readonly keys: Set<string>
  /** Whether the list of views has changed. */
  hasOtherViews: boolean
}

interface PointerMove {
  readonly package: string
  readonly target: ReleaseName['target']
  readonly from: string | null
  readonly to: string | null
}

/** The fields of events that matter here, as the API names them. */
interface EventFields {
  readonly view?: string
  readonly origin?: string
  readonly ident?: string
  readonly target?: ReleaseName['target']
  readonly targets?: readonly ReleaseName['target'][]
  readonly revision?: number
  readonly rule?: string
  readonly joined?: readonly ReleaseName[]
  readonly left?: readonly ReleaseName[]
  readonly pointers?: readonly PointerMove[]
}

/** Finds what entries, oldest first, change in the public answers. */
export function changesOf(events: readonly Event[]): Changes {
  const changes: Changes = {
    isRestored: false,
    hasHidden: false,
    closed: new Set(),
    views: new Map(),
    bodies: new Map(),
    everywhere: new Map(),
    origins: new Set(),
    keys: new Set(),
    hasOtherViews: false,
  }
  for (const event of events) add(changes, event)
  return changes
}

type Kind = NonNullable<Event['kind']>

/** What entries of a kind change. Kinds that are missing change no public answer that is a file. */
const EFFECTS: Partial<Record<Kind, (changes: Changes, fields: EventFields, event: Event) => void>> = {
  promotion: (changes, fields, { text }) => addPromotion(changes, fields, text === undefined),
  'release-published': addBodies,
  'release-announced': addBodies,
  'release-deleted': addBodies,
  'release-deprecated': addBodies,
  'release-undeprecated': addBodies,
  'release-held': addBodies,
  'release-unheld': addBodies,
  'release-yanked': addPointers,
  'release-unyanked': addPointers,
  'visibility-set': addPointers,
  'view-created': (changes, { view = '' }) => {
    changes.hasOtherViews = true
    viewChanges(changes, view).isWhole = true
  },
  'view-closed': (changes, { view = '' }) => {
    changes.hasOtherViews = true
    changes.views.delete(view)
    changes.closed.add(view)
  },
  'origin-created': addOrigin,
  'origin-deleted': addOrigin,
  'channel-declared': addOrigin,
  'channel-removed': addOrigin,
  'key-added': addOrigin,
  'depot-restored': (changes) => {
    changes.isRestored = true
  },
}

function add(changes: Changes, event: Event): void {
  if (event.kind === undefined) changes.hasHidden = true
  else EFFECTS[event.kind]?.(changes, event.event as EventFields, event)
}

function addBodies(changes: Changes, fields: EventFields): void {
  for (const release of releasesOf(fields)) changes.bodies.set(releaseKey(release), release)
}

function addPointers(changes: Changes, fields: EventFields): void {
  addBodies(changes, fields)
  for (const release of releasesOf(fields)) {
    changes.everywhere.set(releaseKey(release), release)
    changes.origins.add(originOf(release.ident))
  }
}

function addOrigin(changes: Changes, { origin = '' }: EventFields): void {
  changes.origins.add(origin)
  changes.keys.add(origin)
}

/**
 * Adds a promotion. Its entry shows how the pointers of the public move. In two cases that is not enough, and
 * the whole view is read again: a new rule may change the latest release of any version, and an entry without
 * a text may hide that the yank of a private release moved a pointer. The latter never happens in `unstable`,
 * whose rule is `highest`.
 */
function addPromotion(changes: Changes, fields: EventFields, isRedacted: boolean): void {
  const { view = '', revision = 0, rule, joined = [], left = [], pointers = [] } = fields
  const ofView = viewChanges(changes, view)
  ofView.revision = revision
  const isEmpty = joined.length + left.length + pointers.length === 0
  if (rule !== undefined || (isRedacted && isEmpty && view !== UNSTABLE)) ofView.isWhole = true
  for (const { ident, target } of [...joined, ...left]) {
    const release = { ident, target }
    ofView.touched.set(releaseKey(release), release)
    changes.bodies.set(releaseKey(release), release)
    changes.origins.add(originOf(ident))
  }
  for (const { package: name, target, from, to } of pointers) {
    ofView.moves.set(`${name} ${target}`, { revision, package: name, target, to: to ?? undefined })
    if (from === null || to === null) ofView.packages.add(name)
  }
}

function viewChanges({ views }: Changes, view: string): ViewChanges {
  const known = views.get(view) ?? {
    revision: 0,
    moves: new Map(),
    touched: new Map(),
    packages: new Set(),
    isWhole: false,
  }
  views.set(view, known)
  return known
}

function releasesOf({ ident, target, targets = target === undefined ? [] : [target] }: EventFields) {
  return ident === undefined ? [] : targets.map((each): ReleaseName => ({ ident, target: each }))
}
