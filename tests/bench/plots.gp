# SPDX-License-Identifier: GPL-2.0-or-later
# The plots of `make bench`, from the .dat files in the current folder.

set terminal svg size 720,420 font "sans,11" background "white"
set grid
set key outside right top
set logscale x 2
set format x "%.0b %B"
set xlabel "size of the blob"

set output "speed.svg"
set ylabel "relative to guest RAM"
set yrange [0:1.4]
plot for [i=0:3] "speed-granted.dat" using 1:2+3*i:3+3*i:4+3*i with yerrorlines \
         lt i+1 title word("write read copy random", i+1)." granted", \
     for [i=0:3] "speed-kvm.dat" using 1:2+3*i with lines \
         lt i+1 dt 2 title word("write read copy random", i+1)." KVM"

set output "latency.svg"
set ylabel "microseconds"
set autoscale y
set logscale y
plot "latency-xen.dat" using 1:2 with linespoints lt 1 title "ready granted", \
     "latency-kvm.dat" using 1:2 with lines lt 1 dt 2 title "ready KVM", \
     "latency-xen.dat" using 1:3 with linespoints lt 2 title "cycle granted", \
     "latency-kvm.dat" using 1:3 with lines lt 2 dt 2 title "cycle KVM"

set output "held.svg"
set format x "%g"
set logscale x 10
set xlabel "other blobs of 64 KiB that are mapped"
plot "held-xen.dat" using 1:2 with linespoints lt 1 title "ready granted", \
     "held-kvm.dat" using 1:2 with lines lt 1 dt 2 title "ready KVM", \
     "held-xen.dat" using 1:3 with linespoints lt 2 title "cycle granted", \
     "held-kvm.dat" using 1:3 with lines lt 2 dt 2 title "cycle KVM"

set output "steps.svg"
unset logscale
set format x "%g"
set xlabel "size of the blob"
set ylabel "percentage of the time of a map in QEMU"
set yrange [0:100]
set style data histograms
set style histogram rowstacked
set style fill solid 0.8 border -1
set boxwidth 0.8
plot for [i=2:8] "steps.dat" using i:xtic(1) title columnheader(i)
