import type { CommandHandler } from '../command.ts';

export const refresh: CommandHandler = ({ machines }) => machines.reload();
