import { resolve } from 'node:path'

/**
 * Resolves a path from a variable or the command line, relative to the user's working directory. npm runs
 * scripts in the folder of package.json and passes the user's directory in `INIT_CWD`
 * (docs.npmjs.com/cli/commands/npm-run).
 */
export function givenPath(path: string, environment: Readonly<Record<string, string | undefined>>): string {
  const { npm_package_name: script, INIT_CWD: userFolder } = environment
  return resolve(script === 'hart-depot' && userFolder !== undefined ? userFolder : '.', path)
}
