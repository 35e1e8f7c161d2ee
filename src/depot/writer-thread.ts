import { commandTable } from '../commands/command-table.ts'
import { runWriterThread } from '../writer/writer-thread.ts'

// The entry file of the writer's thread.

await runWriterThread(commandTable)
