import type { Plan } from '../../../client/operations.ts'

type Rule = Plan['blocked'][number]['rule']

/** What a person can do about each rule. */
const REMEDIES: Readonly<Record<Rule, (act: Plan['act'], view: string) => string>> = {
  rights: () => 'Somebody with the right must make the change',
  freeze: (_, view) => `hart-depot thaw ends a freeze, and hart-depot gates ${view} lists those of the view`,
  conflict: () => 'Revert the later changes first, or promote the releases that latest should answer',
  yanked: () => 'Choose another release, or let a maintainer run hart-depot unyank',
  requires: () => 'Fulfil the requirement first, and repeat the command',
  closure: (act) =>
    act === 'promote'
      ? 'Promote the dependencies, too, for example with --with-deps'
      : 'Change the releases that need it first',
  downgrade: () => 'Promote a release that is not older',
  settle: (_, view) => `Wait until latest may move again: hart-depot wait IDENT ${view} --settled`,
  approval: (act) => `A second person must approve it: hart-depot propose ${act} takes the same arguments`,
}

/** The rules that an override never lifts; see src/views/gates.ts. */
const NEVER_OVERRIDDEN: readonly Rule[] = ['rights', 'conflict']

/**
 * Says in sentences what would unblock a change. `override` is the command or the option that overrides the
 * rules.
 */
export function remediesFor(
  { blocked, act, view }: Pick<Plan, 'blocked' | 'act' | 'view'>,
  override: string,
): string {
  const rules = [...new Set(blocked.map(({ rule }) => rule))]
  const sentences = rules.map((rule) => REMEDIES[rule](act, view))
  if (!rules.some((rule) => NEVER_OVERRIDDEN.includes(rule)) && !isFinal({ blocked, act }))
    sentences.push(`${override} overrides the rules, for those who may`)
  return sentences.join('. ')
}

/** Nobody can promote a yanked release. */
function isFinal({ blocked, act }: Pick<Plan, 'blocked' | 'act'>): boolean {
  return act === 'promote' && blocked.some(({ rule }) => rule === 'yanked')
}
