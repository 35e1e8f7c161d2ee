// Who may do what. Pure: it is handed the session and the caller's role in an origin.

/** Builder's roles, from least to most (habitat-today.md 3). Each may what those before it may. */
export const ROLES = ['readonly_member', 'member', 'maintainer', 'administrator', 'owner'] as const
export type Role = (typeof ROLES)[number]

/** `hidden` is left out of lists and searches but may be fetched by who knows its name and belongs to the origin. */
export type Visibility = 'public' | 'private' | 'hidden'

/** What a narrowed token may; an absent part is not narrowed. */
export interface Scope {
  readonly actions?: readonly Action[]
  readonly origins?: readonly string[]
  readonly views?: readonly string[]
}

export const ACTIONS = ['read', 'upload', 'promote', 'manage'] as const
export type Action = (typeof ACTIONS)[number]

/** A signed-in caller, with everything needed to decide without another read. */
export interface Session {
  readonly accountId: number
  readonly accountName: string
  readonly isAdministrator: boolean
  readonly tokenId: number
  readonly scope: Scope
  readonly expiresAt: number | undefined
  /** Roles by origin name. */
  readonly roles: ReadonlyMap<string, Role>
}

/** `undefined` is anonymous. */
export type Caller = Session | undefined

/** Who makes a change: what the ledger books it to, and whose rights the writer looks up when it commits. */
export type Actor = CallerActor | OperatorActor

/** A request over HTTP, with the token that it came with. */
export interface CallerActor {
  readonly accountId: number
  readonly tokenId: number
  readonly client: string
  readonly door: 'habitat' | 'api'
}

/** The operator's shell over the control socket, or the depot itself. Nothing that came over HTTP is this. */
export interface OperatorActor {
  readonly accountId?: undefined
  readonly tokenId?: undefined
  readonly client: string
  readonly door: 'cli' | 'depot'
}

/** Whose rights a change is judged by. The operator, who could write to the database itself, may make every change. */
export type Authority = Session | 'operator'

/** The role a caller acts with in an origin; administrators of the depot are owners everywhere. */
export function roleIn(caller: Caller, origin: string): Role | undefined {
  if (caller === undefined || !allowsOrigin(caller, origin)) return undefined
  return caller.isAdministrator ? 'owner' : caller.roles.get(origin)
}

export function hasRole(caller: Caller, origin: string, least: Role): boolean {
  const role = roleIn(caller, origin)
  return role !== undefined && ROLES.indexOf(role) >= ROLES.indexOf(least)
}

export function allowsAction(caller: Session, action: Action): boolean {
  return caller.scope.actions === undefined || caller.scope.actions.includes(action)
}

export function allowsOrigin(caller: Session, origin: string): boolean {
  return caller.scope.origins === undefined || caller.scope.origins.includes(origin)
}

export function allowsView(caller: Session, view: string): boolean {
  return caller.scope.views === undefined || caller.scope.views.includes(view)
}

/** Whose non-public packages a caller may know of: what queries are narrowed by. */
export interface Audience {
  readonly seesAll: boolean
  readonly origins: readonly string[]
}

export const THE_PUBLIC: Audience = { seesAll: false, origins: [] }

/** For the depot's own eyes. */
export const EVERYONE: Audience = { seesAll: true, origins: [] }

/** As {@link audienceOf}, of the origins where the caller has at least this role. */
export function audienceAs(caller: Caller, least: Role): Audience {
  const { seesAll, origins } = audienceOf(caller)
  return { seesAll, origins: origins.filter((origin) => hasRole(caller, origin, least)) }
}

export function audienceOf(caller: Caller): Audience {
  if (caller === undefined || !allowsAction(caller, 'read')) return THE_PUBLIC
  const narrowed = caller.scope.origins
  if (caller.isAdministrator) return { seesAll: narrowed === undefined, origins: narrowed ?? [] }
  const origins = [...caller.roles.keys()]
  return {
    seesAll: false,
    origins: narrowed === undefined ? origins : origins.filter((origin) => narrowed.includes(origin)),
  }
}

/** Whose non-public packages a caller may move: a token that may promote and not read still finds what it is to promote. */
export function audienceOfChanges(caller: Authority): Audience {
  if (caller === 'operator') return EVERYONE
  const { actions: _actions, ...scope } = caller.scope
  return audienceOf({ ...caller, scope })
}
