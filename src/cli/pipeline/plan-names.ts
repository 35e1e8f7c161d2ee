import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findPlans } from './scripts.ts'
import type { Project } from './config.ts'

/** The origin and the name of a plan's package, as far as they can be read without running the plan. */
export interface PlanNames {
  /** Relative to the project's folder. */
  readonly path: string
  readonly origin: string | undefined
  readonly name: string | undefined
}

/**
 * Reads the names of a project's packages from its plans. HAB_ORIGIN overrides the origin in a plan, as in
 * hab.
 */
export async function readPlanNames(
  project: Project,
  env: Readonly<Record<string, string | undefined>>,
): Promise<PlanNames[]> {
  return Promise.all(
    (await findPlans(project)).map(async (path) => {
      const text = await readFile(join(project.folder, path), 'utf8')
      const origin = env['HAB_ORIGIN']
      return {
        path,
        origin: origin === undefined || origin === '' ? valueOf(text, 'pkg_origin') : origin,
        name: valueOf(text, 'pkg_name'),
      }
    }),
  )
}

/** Returns the value that a plan assigns to a variable, or `undefined` if the plan computes it. */
function valueOf(plan: string, variable: string): string | undefined {
  const assignment = new RegExp(
    `^[ \\t]*\\$?${variable}[ \\t]*=[ \\t]*(["']?)([\\w.-]+)\\1[ \\t]*(?:#.*)?$`,
    'm',
  )
  return assignment.exec(plan)?.[2]
}
