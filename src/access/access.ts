// Roles, sessions and audiences. All functions are pure.

/**
 * Builder's roles, from the least to the most powerful (habitat-today.md 3). Each role includes the rights of
 * the roles before it.
 */
export const ROLES = ['readonly_member', 'member', 'maintainer', 'administrator', 'owner'] as const
export type Role = (typeof ROLES)[number]

/**
 * Everyone sees `public` releases. Only members of the origin see `private` and `hidden` ones, but everyone
 * can download a `hidden` one by its name.
 */
export type Visibility = 'public' | 'private' | 'hidden'

/** The limits of a token. An absent field sets no limit. */
export interface Scope {
  readonly actions?: readonly Action[]
  readonly origins?: readonly string[]
  readonly views?: readonly string[]
}

export const ACTIONS = ['read', 'upload', 'promote', 'manage'] as const
export type Action = (typeof ACTIONS)[number]

/** A signed-in caller, with everything that decisions about rights need. */
export interface Session {
  readonly accountId: number
  readonly accountName: string
  readonly isAdministrator: boolean
  readonly tokenId: number
  readonly scope: Scope
  readonly expiresAt: number | undefined
  /** The groups of the person for whom the single sign-on issued the token. */
  readonly groups: readonly string[]
  /** Roles by origin name, also those of the groups. */
  readonly roles: ReadonlyMap<string, Role>
}

/** `undefined` is anonymous. */
export type Caller = Session | undefined

/** The author of a change. The ledger records it, and the writer checks its rights at commit. */
export type Actor = CallerActor | OperatorActor

/** An HTTP request and the token that it carried. */
export interface CallerActor {
  readonly accountId: number
  readonly tokenId: number
  readonly client: string
  /** The API through which the request came. */
  readonly door: 'habitat' | 'api' | 'page'
}

/**
 * The command line of the operator, or the depot itself. HTTP requests never have this actor, except to sign
 * someone in, who has no token yet.
 */
export interface OperatorActor {
  readonly accountId?: undefined
  readonly tokenId?: undefined
  readonly client: string
  readonly door: 'cli' | 'depot'
}

/** The actor of changes that the depot makes by itself. */
export const DEPOT_ACTOR: OperatorActor = { client: 'hart-depot', door: 'depot' }

/**
 * The author of a change, for checks of rights: a caller's session, or the operator, who may make every
 * change.
 */
export type Authority = Session | 'operator'

/** Returns the caller's role in an origin. Administrators of the depot act as owners of every origin. */
export function roleIn(caller: Caller, origin: string): Role | undefined {
  if (caller === undefined || !allowsOrigin(caller, origin)) return undefined
  return caller.isAdministrator ? 'owner' : caller.roles.get(origin)
}

/** Reports whether the caller's role in an origin has all the rights of `minimum`. */
export function hasRole(caller: Caller, origin: string, minimum: Role): boolean {
  const role = roleIn(caller, origin)
  return role !== undefined && ROLES.indexOf(role) >= ROLES.indexOf(minimum)
}

/** Reports whether the caller's token allows an action. The caller's role is not considered. */
export function allowsAction(caller: Session, action: Action): boolean {
  return caller.scope.actions === undefined || caller.scope.actions.includes(action)
}

/** Reports whether the caller's token reaches an origin. */
export function allowsOrigin(caller: Session, origin: string): boolean {
  return caller.scope.origins === undefined || caller.scope.origins.includes(origin)
}

/** Reports whether the caller's token reaches a view. */
export function allowsView(caller: Session, view: string): boolean {
  return caller.scope.views === undefined || caller.scope.views.includes(view)
}

/**
 * Returns the views to which reading is limited, for a token whose only action is `read` and that is narrowed
 * to views: the token of a Supervisor. Returns `undefined` for all other tokens.
 */
export function readableViews({ scope: { actions, views } }: Session): readonly string[] | undefined {
  return actions?.length === 1 && actions[0] === 'read' ? views : undefined
}

/** Returns a session that sees only what anonymous callers see, and may do nothing. */
export function withoutRights(caller: Session): Session {
  return { ...caller, scope: { ...caller.scope, actions: [] } }
}

/**
 * The rights of a caller to see packages: everyone sees public ones, and `origins` names the origins whose
 * other packages the caller sees, too. Queries return only what their audience may see.
 */
export interface Audience {
  readonly seesAll: boolean
  readonly origins: readonly string[]
}

/** An audience that sees only public packages. */
export const PUBLIC_AUDIENCE: Audience = { seesAll: false, origins: [] }

/** An audience that sees every package, for the depot's internal reads. */
export const UNRESTRICTED_AUDIENCE: Audience = { seesAll: true, origins: [] }

/** Like {@link audienceOf}, but without the origins in which the caller has a lower role than `minimum`. */
export function audienceWithRole(caller: Caller, minimum: Role): Audience {
  const { seesAll, origins } = audienceOf(caller)
  return { seesAll, origins: origins.filter((origin) => hasRole(caller, origin, minimum)) }
}

/** Returns what a caller may see. Tokens that do not allow `read` show only what everyone sees. */
export function audienceOf(caller: Caller): Audience {
  if (caller === undefined || !allowsAction(caller, 'read')) return PUBLIC_AUDIENCE
  const narrowed = caller.scope.origins
  if (caller.isAdministrator) return { seesAll: narrowed === undefined, origins: narrowed ?? [] }
  const origins = [...caller.roles.keys()]
  return {
    seesAll: false,
    origins: narrowed === undefined ? origins : origins.filter((origin) => narrowed.includes(origin)),
  }
}

/**
 * Returns the audience for changes. A token with `promote` and without `read` can still find the releases
 * that it promotes.
 */
export function audienceOfChanges(caller: Authority): Audience {
  if (caller === 'operator') return UNRESTRICTED_AUDIENCE
  const { actions: _actions, ...scope } = caller.scope
  return audienceOf({ ...caller, scope })
}
