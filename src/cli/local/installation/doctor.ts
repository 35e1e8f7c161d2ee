import { examples } from '../../command.ts'
import type { Define } from '../../command.ts'
import { EXIT, Exit } from '../../exit-codes.ts'
import { Output, outputOptions } from '../../output.ts'
import { examine } from './examine.ts'

export const doctor: Define = (command, io) =>
  outputOptions(command)
    .addHelpText(
      'after',
      `${examples([
        ['doctor', 'say what is wrong with the depot on this machine'],
        ['doctor --quiet || mail -s "the depot has problems" admin@example.com', 'look after it from cron'],
      ])}

Looks at Node, the settings, the data folder and its disk, the clock, the database, the secrets, the files of packages, the webhooks, and
the server if it runs. Changes nothing, and can run beside a server, as the same user. hart-depot verify looks deeper.`,
    )
    .action(async (options) => {
      const examined = await examine(io)
      const count = examined.reduce((sum, { problems }) => sum + problems.length, 0)
      const out = new Output(io, options)
      out.show(
        { problems: count, checks: examined },
        {
          whole: () =>
            examined
              .flatMap(({ check, problems, detail }) =>
                problems.length === 0
                  ? [`${out.style('green', 'ok')}     ${check}: ${detail}`]
                  : problems.map((problem) => `${out.style('red', 'wrong')}  ${check}: ${problem}`),
              )
              .join('\n'),
          brief: () => examined.flatMap(({ problems }) => [...problems]),
        },
      )
      if (count > 0)
        throw new Exit(EXIT.failed, count === 1 ? 'one thing is wrong' : `${count} things are wrong`)
    })
