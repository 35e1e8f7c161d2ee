import type { z } from 'zod'
import { hasFilter, isInForce } from '../../../views/freeze.ts'
import type { Freeze, ViewFreeze } from '../../../views/freeze.ts'
import type { Gates, View } from '../../../views/view.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

/** Converts the freeze in force that blocks all changes of the view, if there is one. */
export function wireFrozen(
  freezes: readonly Freeze[],
  now: number,
): z.infer<typeof shapes.GatesShape>['frozen'] {
  const freeze = freezes.find((one) => !hasFilter(one) && isInForce(one, now))
  return freeze === undefined
    ? null
    : { reason: freeze.reason, until: wireTime(freeze.until), by: freeze.by, since: wireTime(freeze.since) }
}

export function wireFreeze(freeze: Freeze, view: string | null): z.infer<typeof shapes.FreezeShape> {
  const { origin = null, name = null, reason, until, by, since } = freeze
  return { view, origin, name, reason, until: wireTime(until), by, since: wireTime(since) }
}

/** Converts the gates of a view. `freezes` are those that the caller may see. */
export function wireGates(
  { name, gates }: View,
  { freezes, now }: { freezes: readonly ViewFreeze[]; now: number },
): z.infer<typeof shapes.GatesShape> {
  return {
    view: name,
    ...wireGateSettings(gates),
    frozen: wireFrozen(freezes, now),
    freezes: freezes
      .filter((freeze) => isInForce(freeze, now))
      .map((freeze) => wireFreeze(freeze, freeze.isOfAll ? null : name)),
  }
}

export function wireGateSettings(gates: Gates): z.infer<typeof shapes.GateSettings> {
  const { requires = [], closure = null, downgrade = null, settleMs, promoters, approval, overriders } = gates
  return {
    requires: requires.map(({ view, as, soakMs = 0, phases = [] }) => ({
      view,
      as,
      soak_seconds: soakMs / 1_000,
      phases: [...phases],
    })),
    closure,
    downgrade,
    settle_seconds: settleMs === undefined ? null : settleMs / 1_000,
    promoters: promoters === undefined ? null : [...promoters],
    approval:
      approval === undefined
        ? null
        : {
            approvers: approval.approvers === undefined ? null : [...approval.approvers],
            expires_seconds: approval.expiresMs / 1_000,
          },
    overriders: overriders === undefined ? null : [...overriders],
  }
}

/** Converts the JSON of a request to gates. */
export function gatesFromBody(body: z.infer<typeof shapes.GatesBody>): Gates {
  const { requires, closure, downgrade, settle_seconds, promoters, approval, overriders } = body
  return {
    ...(requires.length > 0 && {
      requires: requires.map(({ view, as, soak_seconds, phases }) => ({
        view,
        as,
        ...(soak_seconds > 0 && { soakMs: soak_seconds * 1_000 }),
        ...(phases.length > 0 && { phases: [...new Set(phases)] }),
      })),
    }),
    ...(closure !== null && { closure }),
    ...(downgrade !== null && { downgrade }),
    ...(settle_seconds !== null && { settleMs: settle_seconds * 1_000 }),
    ...(promoters !== null && { promoters }),
    ...(approval !== null && {
      approval: {
        expiresMs: approval.expires_seconds * 1_000,
        ...(approval.approvers !== null && { approvers: approval.approvers }),
      },
    }),
    ...(overriders !== null && { overriders }),
  }
}
