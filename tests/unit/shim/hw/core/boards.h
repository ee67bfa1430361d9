/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing of boards.h is used in tested files. */
