import { EXIT } from './cli/exit-codes.ts'
import { main } from './cli/main.ts'
import { processIo } from './cli/process-io.ts'

for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.pipeClosed)
    throw error
  })
process.exitCode = await main(process.argv.slice(2), processIo())
