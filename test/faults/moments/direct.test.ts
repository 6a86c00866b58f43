import { strikeSeries } from './strike-series.ts';

strikeSeries('direct');
