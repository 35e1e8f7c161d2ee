// The depot has the same names in views/phase.ts. Commands know a depot only by its client.

/** The phases that run once for each change, in their order. */
export const CHANGE_PHASES = ['lint', 'syntax', 'unit', 'security', 'quality', 'publish'] as const
/** The phases that run once for each environment, in their order. */
export const VIEW_PHASES = ['provision', 'deploy', 'smoke', 'functional'] as const
/** The ten phases, in the order in which a change passes through them. */
export const PHASES = [...CHANGE_PHASES, ...VIEW_PHASES] as const

export type ChangePhase = (typeof CHANGE_PHASES)[number]
export type ViewPhase = (typeof VIEW_PHASES)[number]
export type Phase = ChangePhase | ViewPhase

/** Reports whether a phase runs once for each environment. */
export function isViewPhase(phase: Phase): phase is ViewPhase {
  return (VIEW_PHASES as readonly string[]).includes(phase)
}
