import type { CommandHandler } from '../command.ts';

export const refresh: CommandHandler = ({ machines, jobs }) => Promise.all([machines.reload(), jobs.refresh()]);
