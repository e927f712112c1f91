import type { CommandHandler } from '../command.ts';

export const showLog: CommandHandler = ({ log }) => {
  log.show();
};
