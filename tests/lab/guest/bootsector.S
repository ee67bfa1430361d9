/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bootsector: the boot loader of a disk that dom0's bootdisk.py makes
 *
 * It reads pieces of the disk by the BIOS, has the BIOS copy them to where they
 * belong, and starts Linux' real-mode code (Documentation/arch/x86/boot.rst). All
 * else has been prepared in what is read: bootdisk.py fills in the table at the
 * end, and Linux' header.
 */
	.code16
	.globl _start

	.set BUFFER, 0x10000		/* what the BIOS reads into */
	.set CHUNK, 64			/* sectors that fit into it, and more */
	.set LINUX, 0x9000		/* segment of Linux' real-mode code */
	.set COM1, 0x3f8

	.text
_start:
	ljmp	$0, $1f
1:	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti
	cld
	movb	%dl, drive
	movw	$table, %bx

/* %bx: an entry of the table, which is used up: sector, count, address */
next_piece:
	cmpl	$0, 4(%bx)
	je	next_entry
	movl	$CHUNK, %ecx
	cmpl	%ecx, 4(%bx)
	jae	1f
	movl	4(%bx), %ecx
1:	movw	%cx, packet + 2
	movl	(%bx), %eax
	movl	%eax, packet + 8
	addl	%ecx, (%bx)
	subl	%ecx, 4(%bx)
	pushw	%cx
	movb	$0x42, %ah		/* read */
	movb	drive, %dl
	movw	$packet, %si
	int	$0x13
	jc	failed
	popw	%cx
	movl	8(%bx), %eax
	movw	%ax, to
	shrl	$16, %eax
	movb	%al, to + 2
	movb	%ah, to + 5
	movzwl	%cx, %ecx
	shll	$8, %ecx		/* words */
	leal	(,%ecx,2), %eax
	addl	%eax, 8(%bx)
	movb	$0x87, %ah		/* copy */
	movw	$descriptors, %si
	int	$0x15
	jnc	next_piece

failed:
	movw	$COM1, %dx
	movw	$message, %si
1:	lodsb
	outb	%al, %dx
	testb	%al, %al
	jnz	1b
2:	hlt
	jmp	2b

next_entry:
	addw	$12, %bx
	cmpw	$table_end, %bx
	jb	next_piece
	cli
	movw	$LINUX, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movw	$0xe000, %sp
	ljmp	$LINUX + 0x20, $0

message:
	.asciz	"bootsector: the BIOS failed\r\n"
drive:
	.byte	0

	.balign	4
packet:					/* what to read, and where to */
	.byte	16, 0
	.word	0
	.word	0, BUFFER >> 4
	.quad	0

descriptors:				/* two for the BIOS, from, to, two more */
	.fill	16, 1, 0
	.word	0xffff
	.word	BUFFER & 0xffff
	.byte	BUFFER >> 16, 0x93, 0, 0
	.word	0xffff
to:	.byte	0, 0, 0, 0x93, 0, 0
	.fill	16, 1, 0

	.org	510 - 4 * 12
table:
	.fill	4 * 12, 1, 0
table_end:
	.word	0xaa55
